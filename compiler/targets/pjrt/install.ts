/** Plugins brought by the machine's own pip: pinned wheels, their content checked by pip, in a folder of the cache. */
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../../core/fault.ts'
import { fault, messageOf } from '../../../core/fault.ts'
import type { Accelerator } from './accelerators.ts'
import { acceleratorFolder } from './plugin.ts'

/** Nothing of Python is run: a version for which all of the packages have wheels. */
const pythonVersion = '3.13'

/** How pip may be called, in the order of trying. */
const pips: ReadonlyArray<readonly [string, ReadonlyArray<string>]> = [
  ['python3', ['-m', 'pip']],
  ['python', ['-m', 'pip']],
  ['pip', []],
]

interface Ended {
  /** Null where there is no such program. */
  readonly code: number | null
  readonly said: string
}

const called = (command: string, args: ReadonlyArray<string>, tell: (text: string) => void): Promise<Ended> =>
  new Promise((done) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    let said = ''
    const hear = (data: Buffer): void => {
      said += data.toString()
      tell(data.toString())
    }
    child.stdout.on('data', hear)
    child.stderr.on('data', hear)
    child.on('error', (e) => {
      done({ code: null, said: e.message })
    })
    child.on('close', (code) => {
      done({ code: code ?? 1, said })
    })
  })

/** The requirements of an accelerator, as pip reads them: name, version and content. */
export const requirementsOf = (a: Accelerator): string =>
  a.wheels.map((w) => `${w.name}==${w.version} --hash=sha256:${w.sha256}\n`).join('')

const noPip = fault('target', {
  place: 'accelerator install',
  found: 'no pip: python3 -m pip, python -m pip and pip do not run',
  allowed: "the machine's own pip, which brings the plugin",
  remedy: 'install Python with pip (apt install python3-pip), or name a plugin that is there in DINOGRAPH_PJRT_PLUGIN',
})

const pipFault = (a: Accelerator, said: string): Fault => {
  const lines = said.trim().split('\n')
  return fault('target', {
    place: `accelerator install ${a.name}`,
    found: lines.filter((l) => l.startsWith('ERROR')).join('\n') || lines.slice(-4).join('\n'),
    allowed: a.wheels.map((w) => `${w.name}==${w.version}`).join(', '),
    remedy: 'see what pip says; behind a proxy or mirror, set PIP_INDEX_URL or PIP_PROXY as for any package',
  })
}

const otherMachine = (a: Accelerator): Fault =>
  fault('target', {
    place: `accelerator install ${a.name}`,
    found: `${process.platform} on ${process.arch}`,
    allowed: 'Linux on x64, for which the wheels are built',
    remedy: 'use another target here (--target gpujs:webgpu runs on any graphics processor), or name a plugin in DINOGRAPH_PJRT_PLUGIN',
  })

/** Installs an accelerator; whole, or not at all. Gives the folder of its packages. */
export const installAccelerator =
  (a: Accelerator, tell: (text: string) => void): TaskEither<Fault, string> =>
  async () => {
    if (process.platform !== 'linux' || process.arch !== 'x64') return E.left(otherMachine(a))
    const folder = join(acceleratorFolder(), a.name)
    const own = `${folder}.${process.pid}.${randomUUID().slice(0, 8)}`
    try {
      // what is loaded from there runs with all rights of the user
      await mkdir(own, { recursive: true, mode: 0o700 })
      const list = join(own, 'requirements.txt')
      await writeFile(list, requirementsOf(a))
      const args = [
        ...['install', '--target', own, '--no-deps', '--only-binary=:all:', '--require-hashes', '--no-input', '--no-compile'],
        ...['--disable-pip-version-check', '--python-version', pythonVersion, '-r', list],
      ]
      let ended: Ended = { code: null, said: '' }
      for (const [command, first] of pips) {
        ended = await called(command, [...first, ...args], tell)
        if (ended.code !== null && !ended.said.includes('No module named pip')) break
        ended = { code: null, said: '' }
      }
      if (ended.code === null) return E.left(noPip)
      if (ended.code !== 0) return E.left(pipFault(a, ended.said))
      if (!existsSync(join(own, a.library))) return E.left(pipFault(a, `the wheels have no ${a.library}`))
      await rm(folder, { recursive: true, force: true })
      await rename(own, folder)
      return E.right(folder)
    } catch (e) {
      return E.left(
        fault('io', {
          place: folder,
          found: messageOf(e),
          allowed: 'a cache folder that can be written, with room for the packages',
          remedy: 'set XDG_CACHE_HOME to a folder of your own',
        }),
      )
    } finally {
      await rm(own, { recursive: true, force: true }).catch(() => undefined)
    }
  }
