// A person as the kit shows them: a face, and words for what the face says by shape and colour.

import { make } from "./base.js";
import { initials, isolated } from "./names.js";

/** @import { User, Viewer } from "../types.js" */
/** @import { Speech } from "./texts.js" */

/** Somebody in a room. In big rooms there are no viewers: then only the user is known. @typedef {{ user: User, self?: boolean, status?: Viewer["status"] }} Person */

/** @param {string} [status] */
export const dot = (status = "unknown") => make("span", { class: "dot", part: `dot ${status}`, "data-status": status, "aria-hidden": "true" });

/** A circle with a picture or initials. It says nothing to screen readers. @param {Person} person */
export function face({ user, status }) {
  const circle = make("span", { class: "face", part: "face", "aria-hidden": "true" }, make("span", {}, initials(user.name)));
  circle.style.setProperty("--c", user.color);
  if (user.avatar) {
    const picture = make("img", { alt: "", src: user.avatar, referrerpolicy: "no-referrer" });
    // Then the initials show.
    picture.onerror = () => picture.remove();
    circle.append(picture);
  }
  if (status) circle.append(dot(status));
  return circle;
}

/** @param {Speech} speech @param {Person} person */
export const nameOf = ({ say }, { user, self }) => (self ? say("you", { name: isolated(user.name) }) : isolated(user.name));

/** The same with what they are up to: "Alice, active". @param {Speech} speech @param {Person} person */
export function describe(speech, person) {
  const name = nameOf(speech, person);
  return person.status ? speech.say("person", { name, status: speech.say(person.status) }) : name;
}
