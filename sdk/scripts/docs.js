// Makes the reference of the SDK out of the declarations that `npm run types` has made: one page without scripts, which
// servers hand out at `/docs/sdk`. Checked in, so that building the server needs no Node.
// `--check` only says whether what is there is what would be made.

import { readFile, writeFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript-5";

const root = fileURLToPath(new URL("../", import.meta.url));
const page = fileURLToPath(new URL("../../web/docs/sdk.html", import.meta.url));
const entries = [
  { name: "@herenow/client", id: "client", file: "types/main.d.ts", about: "Connects, joins rooms, and tells who is there. Servers hand it out as `/sdk.js`." },
  { name: "@herenow/client/react", id: "react", file: "types/react/index.d.ts", about: "The same as hooks, for React 18 and 19." },
  { name: "@herenow/client/react/ui", id: "react-ui", file: "types/react/ui.d.ts", about: "The elements below as React components." },
  { name: "@herenow/client/ui", id: "ui", file: "types/ui/index.d.ts", about: "Defines the elements `herenow-avatars`, `herenow-connection`, `herenow-count`, `herenow-cursors`, `herenow-dot` and `herenow-typing`. Servers hand it out as `/sdk/ui.js`." },
];

/** Parsed files by path. */
const files = new Map();

async function parsed(path) {
  if (!files.has(path)) files.set(path, ts.createSourceFile(path, await readFile(path, "utf8"), ts.ScriptTarget.ES2022, true));
  return files.get(path);
}

/** What a file exports, by name, in order: the declarations themselves, wherever they are. */
async function exportsOf(path) {
  const file = await parsed(path);
  const found = new Map();
  for (const statement of file.statements) {
    if (ts.isExportDeclaration(statement) && statement.moduleSpecifier) {
      const from = resolve(dirname(path), statement.moduleSpecifier.text.replace(/\.js$/, ".d.ts"));
      const all = await exportsOf(from);
      const names = statement.exportClause?.elements?.map(({ name }) => name.text) ?? [...all.keys()];
      for (const name of names) {
        if (!all.has(name)) throw new Error(`${path} exports ${name}, which ${from} has not`);
        found.set(name, all.get(name));
      }
    } else if (statement.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)) {
      const named = ts.isVariableStatement(statement) ? statement.declarationList.declarations : [statement];
      for (const { name } of named) found.set(name.text, statement);
    }
  }
  return found;
}

const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
const prose = (text) => escaped(text.trim().replace(/\s+/g, " ")).replace(/`([^`]+)`/g, "<code>$1</code>");
const paragraphs = (text) => text.split(/\n\s*\n/).filter((part) => part.trim()).map((part) => `<p>${prose(part)}</p>`).join("\n");
const anchor = (entry, name) => `${entry.id}.${name}`;

/** The documentation before a node: its text, and what it says of parameters and results. */
function docOf(node) {
  const docs = ts.getJSDocCommentsAndTags(node).filter(ts.isJSDoc);
  const doc = docs.at(-1);
  const textOf = (comment) => (typeof comment === "string" ? comment : ts.getTextOfJSDocComment(comment)) ?? "";
  const tags = (doc?.tags ?? []).map((tag) => ({ kind: tag.tagName.text, name: tag.name?.getText() ?? "", text: textOf(tag.comment).replace(/^-\s*/, "") }));
  return { text: textOf(doc?.comment), tags: tags.filter(({ kind, text }) => text && ["param", "returns"].includes(kind)) };
}

/** The code of a node without comments, in the shape of a reference: names of types lead to these. */
function codeOf(node, links) {
  const text = ts.createPrinter({ removeComments: true }).printNode(ts.EmitHint.Unspecified, node, node.getSourceFile());
  const plain = text.replace(/^export (declare )?/, "").replace(/import\("[^"]*"\)\.|\btypes\./g, "").replace(/ {4}/g, "  ").replace(/\bdeclare /g, "");
  return escaped(plain).replace(/\b[A-Z]\w+\b/g, (name) => (links.has(name) ? `<a href="#${links.get(name)}">${name}</a>` : name));
}

function listOf(tags) {
  if (tags.length === 0) return "";
  const items = tags.map(({ kind, name, text }) => `<li>${kind === "returns" ? "Returns" : `<code>${escaped(name)}</code>:`} ${prose(text)}</li>`);
  return `<ul>${items.join("")}</ul>`;
}

/** Interfaces and classes member by member, all else as a whole. */
function declaration(node, links) {
  const { text, tags } = docOf(node);
  if (!text && !tags.length && !ts.isTypeAliasDeclaration(node)) throw new Error(`${node.getSourceFile().fileName} says nothing of ${node.name?.text ?? node.getText()}`);
  const head = paragraphs(text) + listOf(tags);
  if (!ts.isInterfaceDeclaration(node) && !ts.isClassDeclaration(node)) return `${head}<pre>${codeOf(node, links)}</pre>`;
  const params = node.typeParameters?.map((parameter) => parameter.getText()).join(", ");
  const bases = node.heritageClauses?.map((clause) => codeOf(clause, links)).join(" ") ?? "";
  const kind = ts.isClassDeclaration(node) ? "class" : "interface";
  const members = node.members.filter((member) => !ts.isConstructorDeclaration(member) && !member.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.PrivateKeyword));
  const rows = members.map((member) => {
    const doc = docOf(member);
    return `<dt><pre>${codeOf(member, links).replace(/;$/, "")}</pre></dt><dd>${paragraphs(doc.text)}${listOf(doc.tags)}</dd>`;
  });
  const line = `${kind} ${node.name.text}${params ? `&lt;${escaped(params)}&gt;` : ""} ${bases.trim()}`.trim();
  return `${head}<pre>${line}</pre>${rows.length ? `<dl>${rows.join("\n")}</dl>` : ""}`;
}

async function made() {
  const modules = [];
  const links = new Map();
  for (const entry of entries) {
    const found = await exportsOf(resolve(root, entry.file));
    modules.push({ entry, found });
    for (const [name] of found) if (!links.has(name)) links.set(name, anchor(entry, name));
  }
  const nav = modules.map(({ entry, found }) => {
    const names = [...found.keys()].map((name) => `<a href="#${anchor(entry, name)}">${name}</a>`);
    return `<h2><a href="#${entry.id}">${entry.name}</a></h2>\n<p>${names.join(" ")}</p>`;
  });
  const body = modules.map(({ entry, found }) => {
    const parts = [...found].map(([name, node]) => `<section id="${anchor(entry, name)}"><h3>${name}</h3>\n${declaration(node, links)}</section>`);
    return `<h2 id="${entry.id}">${entry.name}</h2>\n${paragraphs(entry.about)}\n${parts.join("\n")}`;
  });
  return `<!doctype html>
<!-- Made by sdk/scripts/docs.js out of sdk/src: change the comments there, then npm run docs. -->
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>The SDK of herenow</title>
<link rel="stylesheet" href="/docs/style.css">
</head>
<body>
<header><h1>The SDK</h1><p>Everything that the browser SDK has. The HTTP API is on <a href="/docs">a page of its own</a>.</p></header>
<nav aria-label="Contents">
${nav.join("\n")}
</nav>
<main>
${body.join("\n")}
</main>
</body>
</html>
`;
}

const text = await made();
if (!process.argv.includes("--check")) {
  await writeFile(page, text);
  console.log(`web/docs/sdk.html ${text.length} bytes`);
} else if ((await readFile(page, "utf8").catch(() => null)) !== text) {
  console.error("web/docs/sdk.html is not what sdk/src gives: run npm run docs");
  process.exitCode = 1;
}
