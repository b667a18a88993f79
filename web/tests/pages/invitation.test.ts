import { describe, expect, it } from "vitest";
import { InputError } from "../../src/errors";
import { codeOf, fragmentOf, newRoomFragment, readInvitation } from "../../src/pages/call/invitation";
import { RoomLink } from "../../src/rooms/link";

const KEY = "Zm9yIGV2ZXJ5Ym9keSBoZQ";

describe("what an address invites to", () => {
  it("is a room, a call, or nothing", () => {
    expect(readInvitation(`#k=${KEY}`)).toEqual({ kind: "room", link: `#k=${KEY}` });
    expect(readInvitation("#c=7-guitar-orbit-velvet")).toEqual({
      kind: "peer",
      code: "7-guitar-orbit-velvet",
    });
    for (const nothing of ["", "#", "#c=", "#x=1"]) expect(readInvitation(nothing)).toBeNull();
  });

  it("is a new room that the link's class reads", () => {
    const fragment = newRoomFragment("https://relay.example");
    expect(fragment).toMatch(/^#k=[\w-]{22}$/);
    expect(RoomLink.parse(`https://relay.example/${fragment}`).relays).toEqual([
      "https://relay.example",
    ]);
    expect(newRoomFragment("https://relay.example")).not.toBe(fragment);
  });

  it("is a code, of this relay where none is named", () => {
    const origin = "https://relay.example";
    expect(codeOf(" 7 Guitar orbit ", origin)).toBe(`7 Guitar orbit@${origin}`);
    expect(codeOf("7-guitar-orbit@other.example", origin)).toBe("7-guitar-orbit@other.example");
    for (const none of ["", "guitar-orbit", `https://relay.example/#k=${KEY}`])
      expect(codeOf(none, origin), none).toBeNull();
  });

  it("is found in what somebody pasted", () => {
    expect(fragmentOf(` https://relay.example/#k=${KEY}\n`)).toBe(`#k=${KEY}`);
    for (const wrong of ["", "https://relay.example/", "#k=short", "#c=7-guitar-orbit-velvet"])
      expect(() => fragmentOf(wrong), wrong).toThrow(InputError);
  });
});
