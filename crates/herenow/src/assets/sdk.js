// The SDK as this server hands it out: everything the package exports, connected to the server the script came from.

import { connect as open } from "./sdk/index.js";

export * from "./sdk/index.js";

/**
 * Connects to the server this script came from, unless another `url` is given.
 * @param {import("./sdk/types.js").ClientOptions} [options]
 */
export const connect = (options = {}) => open({ ...options, url: options.url ?? import.meta.url });
