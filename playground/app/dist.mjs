// Keeps ../dist: what the server embeds, each file compressed.
//
//	node dist.mjs write build      replaces ../dist with the files of build
//	node dist.mjs compare build    fails unless ../dist holds exactly these files
//
// The files are compared as they are before compression, so that another zlib is no difference.
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync, gzipSync } from 'node:zlib';

const dist = fileURLToPath(new URL('../dist', import.meta.url));
const [command, build] = process.argv.slice(2);

function filesIn(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => relative(folder, join(entry.parentPath, entry.name)))
    .sort();
}

if (command === 'write') {
  rmSync(dist, { recursive: true, force: true });
  let bytes = 0;
  for (const name of filesIn(build)) {
    const target = join(dist, `${name}.gz`);
    const compressed = gzipSync(readFileSync(join(build, name)), { level: 9 });
    bytes += compressed.length;
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, compressed);
  }
  console.log(`playground/dist: ${bytes} bytes compressed`);
} else {
  const built = filesIn(build).map(name => `${name}.gz`);
  const kept = filesIn(dist);
  const differing = [...new Set([...built, ...kept])].filter(
    name =>
      !built.includes(name) ||
      !kept.includes(name) ||
      !gunzipSync(readFileSync(join(dist, name))).equals(readFileSync(join(build, name.slice(0, -'.gz'.length)))),
  );
  if (differing.length > 0) {
    console.error(`playground/dist is not what playground/app builds: run npm run build there and commit\n  ${differing.join('\n  ')}`);
    process.exit(1);
  }
  console.log(`playground/dist is what playground/app builds: ${kept.length} files`);
}
