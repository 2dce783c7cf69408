// What no page needs in its first seconds, in one file.
export { watchIdle } from "./idle.js";
export { renewToken } from "./renew.js";
