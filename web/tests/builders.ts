/** A chat and messages as the server tells them. */

import type { Chat, Message } from "../src/sync/wire";

export const AT = "2026-01-01T00:00:00.000Z";

export const chatOf = (lastSeq: number, fields: Partial<Chat> = {}): Chat => ({
  id: "c",
  type: "direct",
  name: null,
  description: null,
  avatar: null,
  peer: null,
  memberCount: 2,
  myRole: "member",
  membership: "member",
  joinedSeq: 1,
  leftSeq: null,
  lastSeq,
  lastMessage: null,
  unreadCount: 0,
  mentionCount: 0,
  readSeq: 0,
  deliveredSeq: 0,
  othersReadSeq: 0,
  othersDeliveredSeq: 0,
  settings: { mutedUntil: null, pinned: false, archived: false, markedUnread: false },
  permissions: { send: "all", editInfo: "all", addMembers: "all" },
  disappearingSeconds: null,
  pinnedMessageIds: [],
  createdAt: AT,
  updatedAt: AT,
  ...fields,
});

export const messageOf = (seq: number, senderId: string, text: string, clientMsgId = `x${seq}`): Message => ({
  kind: "message",
  messageId: `m${seq}`,
  chatId: "c",
  senderId,
  seq,
  clientMsgId,
  content: { kind: "text", text },
  mentions: [],
  reactions: [],
  createdAt: AT,
  editedAt: null,
  deletedAt: null,
});
