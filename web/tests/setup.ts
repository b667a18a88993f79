// Node 18 (Debian 12) has WebCrypto, but not as a global; browsers and later versions do.
import { webcrypto } from "node:crypto";

globalThis.crypto ??= webcrypto as Crypto;
