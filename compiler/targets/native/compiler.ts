/**
 * The system's C compiler, and what it has made before: libraries by the hash of their source, the compiler, its flags
 * and the processor, in the user's cache folder. A library appears there whole or not at all, whatever else is compiling.
 */
import { spawn } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import { access, mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { homedir, cpus } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { constants, readFileSync } from 'node:fs'
import type { Fault } from '../../../core/fault.ts'
import { fault, messageOf } from '../../../core/fault.ts'
import { markUsed } from './prune.ts'

export interface Compiler {
  readonly command: string
  /** What it says of itself: part of every library's name. */
  readonly version: string
  readonly flags: ReadonlyArray<string>
  readonly cache: string
  /** The runtime's own sources and headers, by file name. */
  readonly runtime: ReadonlyMap<string, string>
  /** The processor, in words that differ where code may. */
  readonly processor: string
}

const runtimeFolder = fileURLToPath(new URL('runtime/', import.meta.url))

/** In a process group of its own: Ctrl-C stops a run after its step, not the compiler in the middle of a file. */
const run = (command: string, args: ReadonlyArray<string>): Promise<{ readonly ok: boolean; readonly text: string }> =>
  new Promise((done) => {
    const child = spawn(command, args, { detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
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

/** `CC`, or else the first of the usual names. */
const findCommand = async (): Promise<string | Fault> => {
  const asked = process.env.CC?.trim()
  const names = asked === undefined || asked === '' ? ['cc', 'gcc', 'clang'] : [asked]
  for (const name of names) if (await inPath(name)) return name
  return fault('target', {
    place: 'native',
    found: `no C compiler: ${names.join(', ')} ${names.length === 1 ? 'is' : 'are'} not in PATH`,
    allowed: 'GCC 9 or Clang 11, or later',
    remedy: 'install one (apt install gcc, xcode-select --install), or name it in CC; or use --target gpujs:webasm',
  })
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

export const cacheFolder = (): string => {
  const given = process.env.XDG_CACHE_HOME
  return join(given === undefined || given === '' ? join(homedir(), '.cache') : given, 'dinograph', 'native')
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

export const findCompiler = async (extra: ReadonlyArray<string> = []): Promise<Compiler | Fault> => {
  const command = await findCommand()
  if (typeof command !== 'string') return command
  const version = await run(command, ['--version'])
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
    version: version.text,
    flags: flagsFor(extra, version.text.includes('clang')),
    cache: cacheFolder(),
    runtime,
    processor: processorOf(),
  }
}

/** Everything that decides what a text is compiled to. */
export const identityOf = (c: Compiler): ReadonlyArray<string> => [c.version, ...c.flags, c.processor, ...c.runtime.values()]

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

/** The path of the library of a source: found in the cache, or compiled now. Its C text lies beside it. */
export const libraryOf = async (c: Compiler, name: string, sources: ReadonlyArray<string>): Promise<string | Fault> => {
  const base = join(c.cache, `${name}-${nameOf(c, sources.join('\0'))}`)
  const path = `${base}.so`
  if (await isFile(path)) {
    await markUsed([path, ...sources.map((_, i) => `${base}.${i}.c`)])
    return path
  }
  const own = `${base}.${process.pid}.${randomUUID().slice(0, 8)}`
  try {
    await mkdir(c.cache, { recursive: true })
    const files: Array<string> = []
    for (const [i, text] of sources.entries()) {
      const file = `${own}.${i}.c`
      await writeFile(file, text)
      files.push(file)
    }
    const made = await run(c.command, [...c.flags, `-I${runtimeFolder}`, ...files, '-o', `${own}.so`, '-lm', '-lpthread', '-ldl'])
    if (!made.ok) return compileFault(c, files[0], made.text)
    for (const [i, file] of files.entries()) await rename(file, `${base}.${i}.c`)
    await rename(`${own}.so`, path)
    return path
  } catch (e) {
    await rm(`${own}.so`, { force: true }).catch(() => undefined)
    return cacheFault(c, e)
  }
}

/** The runtime: compiled once for a machine. */
export const runtimeLibrary = (c: Compiler): Promise<string | Fault> =>
  libraryOf(
    c,
    'runtime',
    [...c.runtime].filter(([f]) => f.endsWith('.c')).map(([, text]) => text),
  )
