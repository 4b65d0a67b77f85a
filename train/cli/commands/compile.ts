/** `dinograph compile --for MACHINE --config FILE`: what a training step takes on a machine that is not here. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import { last } from 'fp-ts/lib/ReadonlyNonEmptyArray.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { totalsOf } from '../../../compiler/memory/plan.ts'
import { follow, plannedBytes } from '../../../compiler/road.ts'
import type { Ahead, AheadOptions } from '../../../compiler/targets/pjrt/ahead.ts'
import { compileAhead } from '../../../compiler/targets/pjrt/ahead.ts'
import type { Machine } from '../../../compiler/targets/pjrt/machines.ts'
import { machineOf } from '../../../compiler/targets/pjrt/machines.ts'
import { estimate } from '../../../compiler/targets/pjrt/road.ts'
import { commandLine } from '../../../core/command.ts'
import type { Fault } from '../../../core/fault.ts'
import { fault, isFault } from '../../../core/fault.ts'
import { decided } from '../../run/experiment.ts'
import type { Arguments, CommandSpec } from '../arguments.ts'
import { pluginOption, recipeOf } from '../plugins.ts'
import { spokenProgress } from '../ranks.ts'
import { layersOf } from '../sources.ts'
import type { Output } from './program.ts'
import { needed, runProgram, textOption } from './program.ts'

const spec: CommandSpec = {
  call: commandLine('compile'),
  about:
    'Compiles the training step of a configuration for hardware that is not here, and prints what it takes there: memory of a device, floating-point operations, and what XLA has made of it. Nothing is run.',
  answers: ['config', 'set', 'data', 'seed', 'devices'],
  options: [
    pluginOption,
    { name: 'for', value: 'MACHINE', text: 'h100, h100:8, or a slice of TPUs such as v5e:2x4; its plugin has to be installed' },
  ],
}

/** Operations between devices, by how their names begin. */
const collectives = ['all-reduce', 'all-gather', 'reduce-scatter', 'all-to-all', 'collective-']

const counted = ({ operations }: Ahead, is: (name: string) => boolean): number =>
  [...operations].reduce((n, [name, count]) => (is(name) ? n + count : n), 0)

const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`

const outputOf = (a: Ahead, m: Machine, { precision, strategy, devices }: AheadOptions, flop: number): Output => {
  const { arguments: given, outputs, aliased, temporaries } = a.memory
  // what ends an operation that was begun is not another one
  const isCollective = (name: string): boolean => collectives.some((c) => name.startsWith(c)) && !name.endsWith('-done')
  const called = [...a.operations].filter(([name]) => name.startsWith('custom-call ')).map(([name, n]) => [name.slice(12), n] as const)
  const [fusions, calls, between] = [
    counted(a, (name) => name === 'fusion'),
    counted(a, (name) => name.startsWith('custom-call')),
    counted(a, isCollective),
  ]
  const memory = given + outputs - aliased + temporaries
  return {
    text: [
      `${m.name}: compiled for ${devices} of ${m.devices === 1 ? '1 device' : `${m.devices} devices`}${devices === 1 ? '' : ` by ${strategy}`} in ${a.seconds.toFixed(1)} s, and not run; products in ${precision}`,
      `memory of a device: ${mib(memory)}: ${mib(given)} given, ${mib(outputs - aliased)} returned beside what lies where it was given, ${mib(temporaries)} in between`,
      `floating-point operations of a step, of all devices: ${(flop / 1e9).toPrecision(4)} · 10^9`,
      `fusions: ${fusions}`,
      `custom calls: ${calls}${called.length === 0 ? '' : ` (${called.map(([name, n]) => `${name} ${n}`).join(', ')})`}`,
      `collectives: ${between}`,
    ].join('\n'),
    json: {
      machine: m.name,
      devices,
      strategy: devices === 1 ? null : strategy,
      seconds: a.seconds,
      precision,
      memory_bytes: memory,
      argument_bytes: given,
      temporary_bytes: temporaries,
      flop,
      fusions,
      custom_calls: Object.fromEntries(called),
      collectives: between,
    },
  }
}

/** How many devices share the batch. Fault: more than there are. */
const devicesOf = (asked: number, { name, devices }: Machine): Either<Fault, number> =>
  asked <= devices
    ? E.right(asked === 0 ? devices : asked)
    : E.left(
        fault('usage', {
          place: 'accelerator.devices',
          found: `${asked} devices, where ${name} has ${devices}`,
          allowed: `1 to ${devices}, or 0 for all`,
          remedy: 'ask for fewer with --devices, or name a larger machine',
        }),
      )

const compile = (a: Arguments): TaskEither<Fault, Output> =>
  pipe(
    TE.fromEither(needed(spec, 'for', textOption(a, 'for'))),
    TE.chain((name) => {
      const found = machineOf(name)
      return isFault(found) ? TE.left(found) : TE.right(found)
    }),
    TE.bindTo('machine'),
    TE.bind('experiment', () => recipeOf(a)),
    TE.bind('layers', ({ experiment }) => TE.fromTask(layersOf(experiment.settings, a, process.env))),
    TE.bind('run', ({ experiment, layers }) => decided(experiment, spokenProgress().say)(layers)),
    TE.bind('data', ({ run }) => run.data(() => undefined)),
    TE.bind('first', ({ data }) => data.train.item(0)),
    TE.bind('devices', ({ run, machine }) => TE.fromEither(devicesOf(run.settings.accelerator.devices, machine))),
    TE.bind('made', ({ run, devices, first: { image } }) =>
      TE.fromEither(run.assemble({ channels: image.channels, side: Math.max(image.height, image.width) }, plannedBytes(estimate), devices)),
    ),
    TE.let('graph', ({ made }) => last(last(made.phases).turns).graph),
    TE.bind('plan', ({ graph }) => TE.fromEither(follow(estimate)(graph))),
    TE.chain(({ machine, devices, run, made, graph, plan }) => {
      const { precision, strategy } = run.settings.accelerator
      const o = { precision, strategy: strategy === 'auto' ? 'ddp' : strategy, devices, images: last(made.phases).batch } as const
      return pipe(
        compileAhead(graph, machine, o),
        TE.map((ahead) => outputOf(ahead, machine, o, totalsOf(plan).flops)),
      )
    }),
  )

export const main = (argv: ReadonlyArray<string>): Promise<number> => runProgram(spec, argv, compile)
