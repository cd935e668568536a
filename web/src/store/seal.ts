/**
 * The keys of a lock, and what they seal. A random key, wrapped by one made of the passphrase, is the root of two: one for
 * records, by a cipher that answers at once, for a transaction ends while something else is waited for; one for files,
 * by the browser's own.
 */

import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import type { Files, Lock } from "./schema";

const ROUNDS = 1_000_000; // OWASP's least for PBKDF2 with SHA-256 is 600,000; this takes a phone about a second
const SALT = 16;
const IV = 12;
const NONCE = 24;
const CHUNK = 1024 * 1024; // bytes of a file sealed together: a large one is never in memory twice
const TAG = 16;
const SEALED = "application/x-tidings-sealed";

export const isSealedFile = (file: Blob) => file.type === SEALED;

type Bytes = Uint8Array<ArrayBuffer>;

/** Records: whatever JSON can hold. `name` is bound to it: what is moved to another place does not open. */
export interface Box {
  seal(name: string, value: unknown): Uint8Array;
  /** Throws when it is not what was sealed under this name. */
  open(name: string, sealed: Uint8Array): unknown;
  files: Files;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const utf8 = (text: string) => encoder.encode(text) as Bytes;
const parsed = (plain: Uint8Array) => JSON.parse(decoder.decode(plain)) as unknown;
const random = (bytes: number) => crypto.getRandomValues(new Uint8Array(bytes));

export const newKey = () => random(32);

async function fromPassphrase(passphrase: string, salt: Bytes, iterations: number): Promise<CryptoKey> {
  const typed = await crypto.subtle.importKey("raw", utf8(passphrase.normalize("NFKC")), "PBKDF2", false, [
    "deriveKey",
  ]);
  const how = { name: "PBKDF2", hash: "SHA-256", salt, iterations };
  return await crypto.subtle.deriveKey(how, typed, { name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
}

async function encrypt(key: CryptoKey, plain: Bytes, additionalData: Bytes): Promise<Bytes> {
  const iv = random(IV);
  const sealed = await crypto.subtle.encrypt({ name: "AES-GCM", iv, additionalData }, key, plain);
  return joined(iv, new Uint8Array(sealed));
}

async function decrypt(key: CryptoKey, sealed: Bytes, additionalData: Bytes): Promise<Bytes> {
  const iv = sealed.subarray(0, IV);
  return new Uint8Array(await crypto.subtle.decrypt({ name: "AES-GCM", iv, additionalData }, key, sealed.subarray(IV)));
}

function joined(one: Uint8Array, other: Uint8Array): Bytes {
  const both = new Uint8Array(one.length + other.length);
  both.set(one);
  both.set(other, one.length);
  return both;
}

/** The key under this passphrase. */
export async function wrap(
  passphrase: string,
  key: Bytes,
  rounds = ROUNDS,
): Promise<Pick<Lock, "salt" | "rounds" | "wrapped">> {
  const salt = random(SALT);
  const wrapped = await encrypt(await fromPassphrase(passphrase, salt, rounds), key, utf8("key"));
  return { salt, rounds, wrapped };
}

/** Null: it is another passphrase. */
export async function unwrapped(passphrase: string, lock: Lock): Promise<Bytes | null> {
  const outer = await fromPassphrase(passphrase, lock.salt, lock.rounds);
  return await decrypt(outer, lock.wrapped, utf8("key")).catch(() => null);
}

async function derived(root: CryptoKey, purpose: string): Promise<Bytes> {
  const how = { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(), info: utf8(purpose) };
  return new Uint8Array(await crypto.subtle.deriveBits(how, root, 256));
}

export async function boxOf(key: Bytes): Promise<Box> {
  const root = await crypto.subtle.importKey("raw", key, "HKDF", false, ["deriveBits"]);
  const records = await derived(root, "records");
  const forFiles = await crypto.subtle.importKey("raw", await derived(root, "files"), "AES-GCM", false, [
    "encrypt",
    "decrypt",
  ]);
  return {
    seal(name, value) {
      const nonce = random(NONCE);
      return joined(nonce, xchacha20poly1305(records, nonce, utf8(name)).encrypt(utf8(JSON.stringify(value))));
    },
    open(name, sealed) {
      const cipher = xchacha20poly1305(records, sealed.subarray(0, NONCE), utf8(name));
      return parsed(cipher.decrypt(sealed.subarray(NONCE)));
    },
    files: filesOf(forFiles),
  };
}

/** A sealed file: how long its head is, the head (kind and size), then the chunks, each bound to its place. */
function filesOf(key: CryptoKey): Files {
  return {
    async seal(name, file) {
      if (isSealedFile(file)) return file;
      const head = await encrypt(key, utf8(JSON.stringify({ type: file.type, size: file.size })), utf8(`${name} head`));
      const parts: Blob[] = [new Blob([new Uint16Array([head.length]), head])]; // blobs: the browser keeps them elsewhere
      for (let at = 0; at < file.size; at += CHUNK) {
        const plain = new Uint8Array(await file.slice(at, at + CHUNK).arrayBuffer());
        parts.push(new Blob([await encrypt(key, plain, utf8(`${name} ${at}`))]));
      }
      return new Blob(parts, { type: SEALED });
    },
    async open(name, file) {
      if (!isSealedFile(file)) return file; // of before the lock
      const bytes = async (from: number, to: number) => new Uint8Array(await file.slice(from, to).arrayBuffer());
      try {
        const [length = 0] = new Uint16Array((await bytes(0, 2)).buffer);
        const head = await decrypt(key, await bytes(2, 2 + length), utf8(`${name} head`));
        const { type, size } = parsed(head) as { type: string; size: number };
        const parts: Blob[] = [];
        for (let at = 0, from = 2 + length; at < size; at += CHUNK, from += IV + CHUNK + TAG)
          parts.push(new Blob([await decrypt(key, await bytes(from, from + IV + CHUNK + TAG), utf8(`${name} ${at}`))]));
        return new Blob(parts, { type });
      } catch {
        return null;
      }
    },
  };
}
