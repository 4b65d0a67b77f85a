/** `dinograph accelerator list|install`: which PJRT plugins there are for the targets `pjrt:…`, and how one gets there. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Accelerator } from '../../../compiler/targets/pjrt/accelerators.ts'
import { accelerators, platforms } from '../../../compiler/targets/pjrt/accelerators.ts'
import { installAccelerator } from '../../../compiler/targets/pjrt/install.ts'
import { acceleratorFolder, findPlugin } from '../../../compiler/targets/pjrt/plugin.ts'
import { openTarget } from '../../../compiler/targets/open.ts'
import { commandLine } from '../../../core/command.ts'
import type { Fault } from '../../../core/fault.ts'
import { fault, isFault, showFault } from '../../../core/fault.ts'
import { nearest } from '../../config/spelling.ts'
import type { Arguments, CommandSpec } from '../arguments.ts'
import type { Output } from './program.ts'
import { runProgram } from './program.ts'

const names = accelerators.map((a) => a.name)

const spec: CommandSpec = {
  call: commandLine('accelerator'),
  about:
    'Lists the PJRT plugins for the targets pjrt:…, or installs one by the pip of this machine: pinned wheels, checked by content, in the cache. Once one for a GPU or TPU is installed, --target auto takes it.',
  operands: [
    { name: 'ACTION', text: 'what to do', choices: ['list', 'install'] },
    { name: 'NAME', text: 'install: which plugin', choices: names, optional: true },
  ],
  answers: [],
}

/** Where a plugin would be installed, and whether it is. */
const stateOf = (a: Accelerator) => {
  const path = join(acceleratorFolder(), a.name, a.library)
  return { name: a.name, target: `pjrt:${a.platform}`, about: a.about, tried: a.tried, installed: existsSync(path), path, wheels: a.wheels }
}

const list = (): Output => {
  const all = accelerators.map(stateOf)
  const found = platforms.map((platform) => ({ target: `pjrt:${platform}`, plugin: findPlugin(platform) }))
  const width = Math.max(...names.map((n) => n.length)) + 2
  return {
    text: [
      ...all.map((a) =>
        [
          `${a.name.padEnd(width)}${a.target}: ${a.about}${a.tried === 'run' ? '' : ` (${a.tried})`}`,
          `${' '.repeat(width)}${a.wheels.map((w) => `${w.name} ${w.version}`).join(', ')}`,
          `${' '.repeat(width)}${a.installed ? `installed: ${a.path}` : `not installed: ${commandLine('accelerator')} install ${a.name}`}`,
        ].join('\n'),
      ),
      '',
      ...found.map(({ target, plugin }) =>
        isFault(plugin) ? `${target} has no plugin: ${plugin.found}` : `${target} takes ${plugin.path} (${plugin.found})`,
      ),
    ].join('\n'),
    json: {
      accelerators: all,
      targets: found.map(({ target, plugin }) => ({
        target,
        path: isFault(plugin) ? null : plugin.path,
        found: isFault(plugin) ? null : plugin.found,
      })),
    },
  }
}

const wrongName = (given: string | undefined): Fault => {
  const near = given === undefined ? undefined : nearest(given, names)
  return fault('usage', {
    place: 'accelerator install',
    found: given ?? 'no name',
    allowed: names.join(', '),
    remedy: near === undefined ? `name one of these; ${commandLine('accelerator')} list says what they are` : `did you mean ${near}?`,
  })
}

/** Installs, and says whether the device opens: without its hardware a plugin can be there and of no use. */
const install = (name: string | undefined): TaskEither<Fault, Output> => {
  const a = accelerators.find((x) => x.name === name)
  if (a === undefined) return TE.left(wrongName(name))
  return pipe(
    installAccelerator(a, (text) => process.stderr.write(text)),
    TE.chain((folder) => async () => {
      const opened = await openTarget(`pjrt:${a.platform}`)()
      if (E.isRight(opened)) opened.right.close()
      const says = E.isRight(opened)
        ? `pjrt:${a.platform} opens: ${opened.right.description}`
        : `installed, but pjrt:${a.platform} does not open here:\n${showFault(opened.left)}`
      const json = { name: a.name, folder, opens: E.isRight(opened), device: E.isRight(opened) ? opened.right.description : null }
      return E.right({ text: `${folder}\n${says}`, json })
    }),
  )
}

const act = (a: Arguments): TaskEither<Fault, Output> => (a.operands[0] === 'install' ? install(a.operands[1]) : TE.of(list()))

export const main = (argv: ReadonlyArray<string>): Promise<number> => runProgram(spec, argv, act)
