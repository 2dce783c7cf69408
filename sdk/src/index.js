// @herenow/client: who is here, who is typing.
export { bindTyping } from "./bind-typing.js";
export { connect } from "./client.js";
export { HerenowError } from "./error.js";
export { typingText } from "./typing-text.js";
