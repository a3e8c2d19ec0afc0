// Reads each mail of a folder with mailparser and postal-mime and writes one JSON line for each: node peers.mjs FOLDER
// The packages are found in the folder that NODE_PACKAGES names, where `make compare` installs them.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.env.NODE_PACKAGES, "package.json"));
const { simpleParser } = require("mailparser");
const PostalMime = require("postal-mime").default ?? require("postal-mime");

const hash = (bytes) => createHash("sha256").update(bytes).digest("hex");
const flat = (found) => [found].flat().flatMap((each) => (each?.value ? each.value : each ? [each] : []))
  .flatMap((each) => each.group ?? [each]).map((each) => each.address ?? "");

async function byMailparser(raw) {
  const mail = await simpleParser(raw, { skipTextToHtml: true, skipTextLinks: true, keepCidLinks: true });
  return {
    subject: mail.subject ?? "", from: flat(mail.from), to: flat(mail.to), cc: flat(mail.cc),
    reply_to: flat(mail.replyTo), date: mail.date?.toISOString() ?? null, message_id: mail.messageId ?? null,
    in_reply_to: mail.inReplyTo ?? null, references: [mail.references ?? []].flat(),
    text: mail.text ?? "", html: mail.html || "",
    attachments: mail.attachments.map((each) => [each.filename ?? null, each.contentType, hash(each.content)]),
  };
}

async function byPostalMime(raw) {
  const mail = await PostalMime.parse(raw, { attachmentEncoding: "arraybuffer", forceRfc822Attachments: true });
  return {
    subject: mail.subject ?? "", from: flat(mail.from), to: flat(mail.to), cc: flat(mail.cc),
    reply_to: flat(mail.replyTo), date: mail.date ?? null, message_id: mail.messageId ?? null,
    in_reply_to: mail.inReplyTo ?? null, references: mail.references ? mail.references.split(/\s+/) : [],
    text: mail.text ?? "", html: mail.html || "",
    attachments: mail.attachments.map((each) => [each.filename ?? null, each.mimeType, hash(Buffer.from(each.content))]),
  };
}

async function view(reader, raw) {
  try {
    return await reader(raw);
  } catch (error) {
    return { error: String(error).slice(0, 200) };
  }
}

const folder = process.argv[2];
for (const name of readdirSync(folder).sort()) {
  const raw = readFileSync(join(folder, name));
  const line = { name, mailparser: await view(byMailparser, raw), "postal-mime": await view(byPostalMime, raw) };
  process.stdout.write(JSON.stringify(line) + "\n");
}
