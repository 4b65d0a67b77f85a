/** `npm run build`: the package in `dist/`. What the compiler writes, and what it does not know of. */
import { spawnSync } from 'node:child_process'
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('.', import.meta.url))
const { resolve } = createRequire(import.meta.url)
const built = (path: string): string => join(root, 'dist', path)

/** What is found beside the code that reads it: C for the compiler of the user's machine, and a program of threads that is JavaScript. */
const beside = [
  'compiler/targets/native/runtime',
  'compiler/targets/native/ranks/mpi.c',
  'compiler/targets/pjrt/rendezvous.c',
  'compiler/targets/gpujs/webasm-worker.js',
  'compiler/targets/gpujs/webasm-worker.d.ts',
]

/**
 * The inner files of gpu.js come along in the one file that names them, since gpu.js itself brings 90 MB that none of its code generators
 * uses, among them a build of WebGPU that does not load on every system; with the licences of what is in that file.
 */
const bundled = 'compiler/targets/gpujs/inside'

const compiled = (): void => {
  const words = [resolve('typescript/bin/tsc'), '-p', 'tsconfig.build.json']
  const { status } = spawnSync(process.execPath, words, { cwd: root, stdio: 'inherit' })
  if (status !== 0) throw new Error('the compiler found mistakes: see above')
}

const bundle = async (): Promise<void> => {
  await build({
    entryPoints: [join(root, `${bundled}.ts`)],
    outfile: built(`${bundled}.js`),
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    minifyWhitespace: true,
    allowOverwrite: true,
    logLevel: 'warning',
  })
  const gpujs = dirname(resolve('gpu.js/package.json'))
  const acorn = dirname(createRequire(join(gpujs, 'package.json')).resolve('acorn/package.json'))
  const licences = [gpujs, acorn].map((folder) => readFileSync(join(folder, 'LICENSE'), 'utf8').trim())
  writeFileSync(built(`${bundled}.LICENSE`), `${licences.join('\n\n')}\n`)
  rmSync(built(`${bundled}.js.map`))
}

// what was moved since the last build is not packed
rmSync(join(root, 'dist'), { recursive: true, force: true })
compiled()
for (const path of beside) cpSync(join(root, path), built(path), { recursive: true })
await bundle()
