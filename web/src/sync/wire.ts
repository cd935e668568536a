/** The objects of the contract, section 2, as far as this client reads them. */

export interface Media {
  id: string;
  kind: "image" | "video" | "audio" | "document";
  mimeType: string;
  size: number;
  fileName: string | null;
  width: number | null;
  height: number | null;
  durationMs: number | null;
  blurhash: string | null;
  state: "pending" | "processing" | "ready" | "failed";
  url: string | null;
  thumbnailUrl: string | null;
  urlExpiresAt: string | null;
}

export interface User {
  id: string;
  name: string;
  about: string | null;
  avatar: Media | null;
  phone: string | null;
  lastSeen: string | null;
  isContact: boolean;
  isBlocked: boolean;
  deleted: boolean;
  updatedAt: string;
}

export interface Reaction {
  emoji: string;
  count: number;
  mine: boolean;
}

export interface Vote {
  optionId: string;
  count: number;
  mine: boolean;
}

export interface Notice {
  kind: "notice";
  event: string;
  actorId?: string | null;
  userIds?: string[];
  role?: string;
  name?: string;
  description?: string;
  avatarMediaId?: string;
  permissions?: Partial<Permissions>;
  disappearingSeconds?: number | null;
}

export type Content =
  | { kind: "text"; text: string }
  | { kind: "image"; mediaId: string; caption?: string | null; width: number; height: number; blurhash?: string | null }
  | {
      kind: "video";
      mediaId: string;
      caption?: string | null;
      width: number;
      height: number;
      blurhash?: string | null;
      durationMs?: number | null;
    }
  | { kind: "audio" | "voice"; mediaId: string; durationMs: number; waveform?: number[] | null }
  | { kind: "document"; mediaId: string; fileName: string; size: number; caption?: string | null }
  | { kind: "location"; lat: number; lon: number; name?: string | null }
  | { kind: "contact"; name: string; phones: string[]; userId?: string | null }
  | { kind: "sticker"; mediaId: string }
  | { kind: "poll"; question: string; options: { id: string; text: string }[]; multiple: boolean }
  | Notice;

export interface Message {
  kind: "message" | "notice";
  messageId: string;
  chatId: string;
  senderId: string | null;
  seq: number;
  clientMsgId: string | null;
  content: Content | null;
  replyTo?: { messageId: string; seq?: number; senderId?: string | null; preview?: string } | null;
  mentions?: string[];
  forwarded?: number;
  createdAt: string;
  editedAt?: string | null;
  deletedAt?: string | null;
  deletedBy?: string | null;
  expiresAt?: string | null;
  reactions?: Reaction[];
  votes?: Vote[];
  starred?: boolean;
}

export interface Change {
  kind: "change";
  change: "edited" | "deleted" | "reaction" | "vote" | "pinned";
  chatId: string;
  seq: number;
  messageId: string;
  targetSeq: number;
  userId: string;
  at: string;
  message: Message;
  pinned?: boolean;
}

export interface Page {
  items: (Message | Change)[];
  fromSeq: number;
  toSeq: number;
  hasMore: boolean;
}

export interface Permissions {
  send: "all" | "admins";
  editInfo: "all" | "admins";
  addMembers: "all" | "admins";
}

export type Role = "owner" | "admin" | "member";

export interface Chat {
  id: string;
  type: "direct" | "group";
  name: string | null;
  description: string | null;
  avatar: Media | null;
  peer: User | null;
  memberCount: number;
  myRole: Role;
  membership: "member" | "left" | "removed";
  joinedSeq: number;
  leftSeq: number | null;
  lastSeq: number;
  lastMessage: Message | null;
  unreadCount: number;
  mentionCount: number;
  readSeq: number;
  deliveredSeq: number;
  othersReadSeq: number;
  othersDeliveredSeq: number;
  settings: { mutedUntil: string | null; pinned: boolean; archived: boolean; markedUnread: boolean };
  permissions: Permissions;
  disappearingSeconds: number | null;
  pinnedMessageIds: string[];
  createdAt: string;
  updatedAt: string;
}

export interface Member {
  userId: string;
  role: Role;
  user: User | null;
  joinedAt: string;
}
