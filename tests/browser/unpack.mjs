// Unpacks Chromium, its libraries and a font out of the npm package @sparticuz/chromium:
// node unpack.mjs PACKAGE.tgz FOLDER
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { brotliDecompressSync } from "node:zlib";

const SHA256 = "20e5656fcdcf4118ede85edfb9d6bb9cc1bbb7ffb8b75622fffbcf36a835c3c0";
const [archive, folder] = process.argv.slice(2).map((path) => resolve(path));

const found = createHash("sha256").update(readFileSync(archive)).digest("hex");
if (found !== SHA256) throw new Error(`${archive} has the SHA-256 ${found}, not ${SHA256}; delete it and try again`);
execFileSync("tar", ["-xzf", archive, "-C", folder]);

const packed = (name) => brotliDecompressSync(readFileSync(join(folder, "package", "bin", name)));
writeFileSync(join(folder, "chromium"), packed("chromium.br"), { mode: 0o755 });
for (const name of ["al2023.tar.br", "fonts.tar.br", "swiftshader.tar.br"]) {
  execFileSync("tar", ["-x", "-C", folder], { input: packed(name) });
}
writeFileSync(
  join(folder, "fonts.conf"),
  `<?xml version="1.0"?><fontconfig><dir>${join(folder, "fonts")}</dir><dir>/usr/share/fonts</dir>` +
    `<cachedir>${join(folder, "fonts-cache")}</cachedir></fontconfig>`,
);
rmSync(join(folder, "package"), { recursive: true });
rmSync(archive);
