// What no page needs in its first seconds, in one file.
export { watchIdle } from "./idle.js";
export { keepToken } from "./renew.js";
