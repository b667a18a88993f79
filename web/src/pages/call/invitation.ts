/** What the page's address invites to: a room (#k=), a call by code (#c=), or nothing. */
import { InputError } from "../../errors";
import { RoomCode } from "../../rooms/code";
import { RoomLink } from "../../rooms/link";

export type Invitation =
  | { readonly kind: "room"; readonly link: string }
  | { readonly kind: "peer"; readonly code: string };

/** What the server says of itself. */
export interface About {
  readonly serves: "rooms" | "call";
  /** Of a call: whether its listener wants a code or secret. */
  readonly needs_secret?: boolean;
}

/** Reads the fragment, which no server ever sees; null where it invites to nothing. */
export function readInvitation(fragment: string): Invitation | null {
  const fields = new URLSearchParams(fragment.replace(/^#/, ""));
  const code = fields.get("c");
  if (code) return { kind: "peer", code };
  return fields.has("k") ? { kind: "room", link: fragment } : null;
}

/** The fragment of a new room. */
export function newRoomFragment(origin: string): string {
  return `#${RoomLink.create(origin).toString().split("#")[1] ?? ""}`;
}

/**
 * The code that somebody typed, with the relay that shows it; null for what is none.
 *
 * @param origin of this page, whose relay is meant where none is named
 */
export function codeOf(text: string, origin: string): string | null {
  const code = text.includes("@") ? text.trim() : `${text.trim()}@${origin}`;
  return RoomCode.isCode(code) ? code : null;
}

/**
 * The fragment of a link that somebody pasted.
 *
 * @throws InputError for what is no link to a room
 */
export function fragmentOf(text: string): string {
  const fragment = `#${text.trim().split("#")[1] ?? ""}`;
  if (readInvitation(fragment)?.kind !== "room") throw new InputError("no link");
  RoomLink.parse(`http://localhost/${fragment}`);
  return fragment;
}
