/**
 * The system's C compiler, and what it has made before: libraries by the hash of their source, the compiler, its flags
 * and the processor, in the user's cache folder. A library appears there whole or not at all, whatever else is compiling.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { access, mkdtemp, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { constants, readFileSync } from 'node:fs'
import type { Fault } from '../../../core/fault.ts'
import { fault, messageOf } from '../../../core/fault.ts'
import type { Say } from './cache.ts'
import { digestFile, making, openCache, putLibrary, stateOf, toTerminal } from './cache.ts'
import { markUsed } from './prune.ts'

export interface Compiler {
  readonly command: string
  /** Words that come before all others. */
  readonly words: ReadonlyArray<string>
  /** What it says of itself: part of every library's name. */
  readonly version: string
  readonly flags: ReadonlyArray<string>
  readonly cache: string
  /** Reports what is not as it should be with the cache. */
  readonly say: Say
  /** The runtime's own sources and headers, by file name. */
  readonly runtime: ReadonlyMap<string, string>
  /** The processor, in words that differ where code may. */
  readonly processor: string
}

const runtimeFolder = fileURLToPath(new URL('runtime/', import.meta.url))

/** In a process group of its own: Ctrl-C stops a run after its step, not the compiler in the middle of a file. */
const run = (command: string, args: ReadonlyArray<string>, cwd?: string): Promise<{ readonly ok: boolean; readonly text: string }> =>
  new Promise((done) => {
    const child = spawn(command, args, { detached: true, stdio: ['ignore', 'pipe', 'pipe'], ...(cwd === undefined ? {} : { cwd }) })
    const said = { out: '', err: '' }
    child.stdout.on('data', (text: Buffer) => {
      said.out += text.toString()
    })
    child.stderr.on('data', (text: Buffer) => {
      said.err += text.toString()
    })
    child.on('error', (e) => {
      done({ ok: false, text: e.message })
    })
    child.on('close', (code, signal) => {
      const ok = code === 0
      done({ ok, text: ok ? said.out : said.err === '' ? `${command} ended with ${signal ?? `exit code ${code}`}` : said.err })
    })
  })

export const isFile = (path: string, mode = constants.R_OK): Promise<boolean> =>
  access(path, mode).then(
    () => true,
    () => false,
  )

const inPath = async (name: string): Promise<boolean> => {
  if (name.includes('/') || name.includes('\\')) return isFile(name, constants.X_OK)
  for (const folder of (process.env.PATH ?? '').split(delimiter))
    if (folder !== '' && (await isFile(join(folder, name), constants.X_OK))) return true
  return false
}

/** What is called: the program, and words that come before all others, as of `CC="ccache gcc"`. */
type Called = readonly [program: string, ...words: ReadonlyArray<string>]

/** `CC`, or else the first of the usual names. A path with spaces is one word where there is such a file. */
const findCommand = async (): Promise<Called | Fault> => {
  const asked = process.env.CC?.trim() ?? ''
  if (asked !== '' && (await isFile(asked, constants.X_OK))) return [asked]
  const named: ReadonlyArray<Called> = asked === '' ? [['cc'], ['gcc'], ['clang']] : [splitWords(asked)]
  for (const called of named) if (await inPath(called[0])) return called
  const names = named.map(([program]) => program)
  return fault('target', {
    place: 'native',
    found: `no C compiler: ${names.join(', ')} ${names.length === 1 ? 'is' : 'are'} not in PATH`,
    allowed: 'GCC 9 or Clang 11, or later',
    remedy: 'install one (apt install gcc, xcode-select --install), or name it in CC; or use --target gpujs:webasm',
  })
}

const splitWords = (text: string): Called => {
  const [program = text, ...words] = text.split(/\s+/)
  return [program, ...words]
}

/** Part of the name of every library: another processor may lack the instructions. */
const processorOf = (): string => {
  const model = `${process.arch} ${cpus()[0]?.model ?? 'unknown'}`
  try {
    const flags = /^(?:flags|Features)\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? ''
    return `${model} ${flags.trim()}`
  } catch {
    return model
  }
}

const flagsFor = (extra: ReadonlyArray<string>, clang: boolean): ReadonlyArray<string> => [
  '-std=gnu11',
  '-O2',
  process.arch === 'arm64' ? '-mcpu=native' : '-march=native',
  // sums and products may fuse, integers wrap; nothing else may be assumed: NaN and infinities mean what they mean
  '-ffp-contract=fast',
  '-fno-math-errno',
  '-fno-trapping-math',
  '-fwrapv',
  // what is a vector is written as one; the rest is tails, where the compiler's own attempts only cost time
  ...(clang ? ['-fno-vectorize', '-fno-slp-vectorize'] : ['-fno-tree-vectorize']),
  '-w',
  '-fPIC',
  '-shared',
  ...extra,
]

export const findCompiler = async (extra: ReadonlyArray<string> = [], say: Say = toTerminal): Promise<Compiler | Fault> => {
  const called = await findCommand()
  if ('_tag' in called) return called
  const [command, ...words] = called
  const version = await run(command, [...words, '--version'])
  if (!version.ok)
    return fault('target', {
      place: `native (${command})`,
      found: version.text.trim(),
      allowed: 'a C compiler that runs',
      remedy: 'name a working compiler in CC, or use --target gpujs:webasm',
    })
  const files = (await readdir(runtimeFolder)).filter((f) => /\.[ch]$/.test(f)).sort()
  const runtime = new Map<string, string>()
  for (const f of files) runtime.set(f, await readFile(join(runtimeFolder, f), 'utf8'))
  return {
    command,
    words,
    version: version.text,
    flags: flagsFor(extra, version.text.includes('clang')),
    cache: await openCache('native', say),
    say,
    runtime,
    processor: processorOf(),
  }
}

/** Everything that decides what a text is compiled to. */
export const identityOf = (c: Compiler): ReadonlyArray<string> => [c.version, ...c.words, ...c.flags, c.processor, ...c.runtime.values()]

const nameOf = (c: Compiler, text: string): string => {
  const hash = createHash('sha256')
  for (const part of [...identityOf(c), text]) hash.update(`${part.length} `).update(part)
  return hash.digest('hex').slice(0, 40)
}

/** What to do where the cache cannot be written. */
export const cacheFault = (c: Compiler, e: unknown): Fault =>
  fault('io', {
    place: c.cache,
    found: messageOf(e),
    allowed: 'a cache folder that can be written',
    remedy: 'set XDG_CACHE_HOME to a folder of your own',
  })

const compileFault = (c: Compiler, file: string, text: string): Fault =>
  fault('target', {
    place: `native (${c.command})`,
    found: text.trim().split('\n').slice(0, 12).join('\n'),
    allowed: 'code that compiles',
    remedy: `look at ${file}; try another compiler by CC, or use --target gpujs:webasm`,
  })

/** Whether a library may be loaded. Where it is there and is not what was put there, that is reported. */
const mayLoad = async (c: Compiler, library: string): Promise<boolean> => {
  const state = await stateOf(library)
  if (state === 'damaged') c.say(`native: ${library} is not as it was compiled (damaged, or changed since): it is compiled again`)
  return state === 'whole'
}

/** The path of the library of a source: found in the cache whole, or compiled now. Its C text and the digest of its bytes lie beside it. */
export const libraryOf = async (c: Compiler, name: string, sources: ReadonlyArray<string>): Promise<string | Fault> => {
  const stem = `${name}-${nameOf(c, sources.join('\0'))}`
  const base = join(c.cache, stem)
  const path = `${base}.so`
  if (await mayLoad(c, path)) {
    await markUsed([path, digestFile(path), ...sources.map((_, i) => `${base}.${i}.c`)])
    return path
  }
  // in a folder of its own, under the same names each time: who else compiles this makes the same bytes
  let own: string | undefined
  try {
    own = await mkdtemp(join(c.cache, making))
    const files = sources.map((_, i) => `${stem}.${i}.c`)
    for (const [i, text] of sources.entries()) await writeFile(join(own, files[i]), text)
    const made = await run(
      c.command,
      [...c.words, ...c.flags, `-I${runtimeFolder}`, ...files, '-o', `${stem}.so`, '-lm', '-lpthread', '-ldl'],
      own,
    )
    for (const file of files) await rename(join(own, file), join(c.cache, file))
    if (!made.ok) return compileFault(c, `${base}.0.c`, made.text)
    await putLibrary(join(own, `${stem}.so`), path)
    return path
  } catch (e) {
    return cacheFault(c, e)
  } finally {
    if (own !== undefined) await rm(own, { recursive: true, force: true }).catch(() => undefined)
  }
}

/** The runtime: compiled once for a machine. */
export const runtimeLibrary = (c: Compiler): Promise<string | Fault> =>
  libraryOf(
    c,
    'runtime',
    [...c.runtime].filter(([f]) => f.endsWith('.c')).map(([, text]) => text),
  )
