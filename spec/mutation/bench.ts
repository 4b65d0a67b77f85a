/** A copy of the repository outside of it, in which a file is changed and specification files are run. */
import { execFileSync, spawn } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** Specification files that are run together. */
export interface Group {
  readonly tests: ReadonlyArray<string>
  /** Of the graphs that they draw. */
  readonly share: number
}

/** How some specification files ended. */
export type Ended = { readonly _tag: 'Passed' } | { readonly _tag: 'Failed'; readonly said: string } | { readonly _tag: 'Hung' }

export interface Bench {
  /** Runs specification files until the first failure, with a share of the graphs that they draw. */
  readonly run: (group: Group, seconds: number) => Promise<Ended>
  /** Runs all of some specification files, several at a time: what vitest writes as JSON. */
  readonly survey: (tests: ReadonlyArray<string>, workers: number) => Promise<string>
  /** Runs `body` while a file has another text. */
  readonly changed: <A>(path: string, change: (text: string) => string, body: () => Promise<A>) => Promise<A>
  readonly remove: () => void
}

/** The first failure in vitest's words. */
const failureIn = (output: string): string => {
  const lines = output
    .replaceAll(/\u001b\[[0-9;]*m/g, '')
    .split('\n')
    .map((l) => l.trim())
  const at = lines.findIndex((l) => l.startsWith('FAIL '))
  const said = at < 0 ? lines.filter((l) => l !== '').slice(-3) : lines.slice(at, at + 3)
  return said.join(' / ').slice(0, 300)
}

interface Closed {
  /** Of the process; `undefined` where it had to be killed. */
  readonly code: number | undefined
  readonly output: string
}

/** Vitest in a process group of its own, as it has workers. */
const vitest = (folder: string, cache: string, share: number, flags: ReadonlyArray<string>, seconds: number): Promise<Closed> =>
  new Promise((done) => {
    const child = spawn(join(folder, 'node_modules/.bin/vitest'), ['run', ...flags], {
      cwd: folder,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      // failures are looked at by nobody: they need not be cut down
      env: { ...process.env, XDG_CACHE_HOME: cache, DINOGRAPH_TRIES: '0', DINOGRAPH_SHARE: String(share), CI: '1' },
    })
    let output = ''
    const hear = (data: Buffer): void => {
      output = (output + data.toString()).slice(-400_000)
    }
    child.stdout.on('data', hear)
    child.stderr.on('data', hear)
    let hung = false
    const kill = (): void => {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
    }
    const timer = setTimeout(() => {
      hung = true
      kill()
    }, seconds * 1000)
    process.once('exit', kill)
    child.on('close', (code) => {
      clearTimeout(timer)
      process.off('exit', kill)
      done({ code: hung ? undefined : (code ?? 1), output })
    })
  })

/** Copies what git knows or would add of `root` to `folder`; `cache` is where compiled kernels stay, whatever else changes. */
export const openBench = (root: string, folder: string, cache: string): Bench => {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(cache, { recursive: true })
  const files = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '-z'], { cwd: root, encoding: 'utf8' })
    .split('\0')
    .filter((f) => f !== '' && f !== 'node_modules')
  for (const f of files) {
    mkdirSync(dirname(join(folder, f)), { recursive: true })
    cpSync(join(root, f), join(folder, f))
  }
  symlinkSync(realpathSync(join(root, 'node_modules')), join(folder, 'node_modules'))
  return {
    run: async ({ tests, share }, seconds) => {
      const { code, output } = await vitest(folder, cache, share, ['--bail=1', '--maxWorkers=1', ...tests], seconds)
      return code === undefined ? { _tag: 'Hung' } : code === 0 ? { _tag: 'Passed' } : { _tag: 'Failed', said: failureIn(output) }
    },
    survey: async (tests, workers) => {
      const path = join(folder, 'survey.json')
      const flags = [`--maxWorkers=${workers}`, '--reporter=json', `--outputFile=${path}`]
      await vitest(folder, cache, 1, [...flags, ...tests], 7200)
      return readFileSync(path, 'utf8')
    },
    changed: async (path, change, body) => {
      const text = readFileSync(join(folder, path), 'utf8')
      writeFileSync(join(folder, path), change(text))
      try {
        return await body()
      } finally {
        writeFileSync(join(folder, path), text)
      }
    },
    remove: () => {
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
