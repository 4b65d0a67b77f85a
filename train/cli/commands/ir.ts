/** `npm run ir -- examples/NAME.ts [--stage …] [--target …]`: the whole training step of an example, stage by stage. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as O from 'fp-ts/lib/Option.js'
import { last } from 'fp-ts/lib/ReadonlyNonEmptyArray.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { residentBytes, totalsOf } from '../../../compiler/memory/plan.ts'
import { showAttention } from '../../../compiler/passes/attention.ts'
import type { Road } from '../../../compiler/road.ts'
import { follow, isKernelRoad, stagesOf } from '../../../compiler/road.ts'
import { operationsOf, showGraph } from '../../../compiler/show.ts'
import type { Device } from '../../../compiler/target.ts'
import { openTarget } from '../../../compiler/targets/open.ts'
import { commandLine } from '../../../core/command.ts'
import type { Fault } from '../../../core/fault.ts'
import { fault } from '../../../core/fault.ts'
import type { Arguments, CommandSpec } from '../arguments.ts'
import { parseArguments } from '../parsing.ts'
import { costingOf, costText, netNames } from '../costing.ts'
import { experimentAt } from '../program-file.ts'
import { spokenProgress } from '../ranks.ts'
import { layersOf } from '../sources.ts'
import { decided } from '../../run/experiment.ts'
import type { Assembled, AssembledPhase } from '../../run/assembly.ts'
import { initialize } from '../../step/initialization.ts'
import { writeResidents } from '../../run/state.ts'
import type { Program } from '../../step/step.ts'
import { nearest } from '../../config/spelling.ts'
import { tellFault } from '../unexpected.ts'

const spec: CommandSpec = {
  call: commandLine('ir'),
  about:
    'Prints the training step of an example at any stage of the road to a target: traced, with gradients, after each pass, or as source code; then what looked like attention and was missed.',
  operands: [{ name: 'EXAMPLE', text: 'the example, such as examples/dinov1.ts' }],
  answers: ['config', 'set', 'data', 'model', 'target', 'seed', 'steps'],
  options: [
    { name: 'stage', value: 'STAGE', text: 'which stage to print; fused by default. --stages lists those of a target' },
    { name: 'stages', text: 'lists the stages of the target' },
    { name: 'phase', value: 'NAME', text: 'which phase of a run that has several; the last by default' },
    { name: 'cost', text: 'what a step costs when ranks share it, on paper: what they send each other, and how long that takes' },
    { name: 'ranks', value: 'N,N,…', text: 'with --cost: how many; 2 by default' },
    { name: 'net', value: 'NAME', choices: netNames, text: 'with --cost: what connects them; 10GbE by default' },
    { name: 'peak', value: 'TFLOPS', text: 'with --cost: what a rank computes, in 10^12 operations a second; 1 by default' },
  ],
}

const phaseOf = (a: Assembled, name: string | undefined): Either<Fault, AssembledPhase> => {
  const found = name === undefined ? last(a.phases) : a.phases.find((p) => p.name === name)
  return found === undefined
    ? E.left(
        fault('usage', {
          place: '--phase',
          found: name ?? '',
          allowed: a.phases.map((p) => p.name).join(', '),
          remedy: 'name a phase of the run',
        }),
      )
    : E.right(found)
}

/** One stage of a step on its way to a device. */
interface Stage {
  readonly name: string
  readonly text: () => Promise<Either<Fault, string>>
}

/** The source that a device makes of the step; its state is written first, since programs are compiled against it. */
const sourceOf = (p: Program, device: Device): TaskEither<Fault, string> =>
  pipe(
    writeResidents(device, p.residents)(initialize(0)(p.residents)),
    TE.chain(() => device.compile(p.graph)),
    TE.map((run) => `${run.source.join('\n\n')}\n// ${run.source.length} source texts, ${run.launches} launches on ${device.name}\n`),
  )

/** Every stage, in order. */
const stagesOfPhase = (phase: AssembledPhase, device: Device): Either<Fault, ReadonlyArray<Stage>> => {
  const program = last(phase.turns)
  const now = (name: string, text: () => Either<Fault, string>): Stage => ({ name, text: () => Promise.resolve(text()) })
  return pipe(
    stagesOf(device.road)(program.graph),
    E.map((passes) => [
      now('traced', () =>
        pipe(
          phase.forward.objective,
          E.map((o) => showGraph(o.graph)),
        ),
      ),
      now('grad', () => E.right(showGraph(program.graph))),
      ...passes.map((s) => now(s.name, () => E.right(s.text()))),
      { name: 'source', text: sourceOf(program, device) },
    ]),
  )
}

/** Names that mean the same on every target: the graph when all its passes are over, and its kernels when theirs are. */
const aliases = (road: Road): ReadonlyMap<string, string> =>
  new Map([
    ['rewritten', road.graph.at(-1)?.name ?? 'grad'],
    ['fused', (isKernelRoad(road) ? (road.kernels.at(-1) ?? road.fuse) : road.graph.at(-1))?.name ?? 'grad'],
  ])

const textOf =
  (phase: AssembledPhase, device: Device, a: Arguments): TaskEither<Fault, string> =>
  async () => {
    const stages = stagesOfPhase(phase, device)
    if (E.isLeft(stages)) return stages
    const names = stages.right.map((s) => s.name)
    const same = aliases(device.road)
    if (a.extra.get('stages') === true)
      return E.right(`${[...names, ...[...same].map(([alias, name]) => `${alias} (${name})`)].join('\n')}\n`)
    const asked = String(a.extra.get('stage') ?? 'fused')
    const stage = stages.right.find((s) => s.name === (same.get(asked) ?? asked))
    if (stage === undefined) {
      const allowed = [...names, ...same.keys()]
      const near = nearest(asked, allowed)
      const remedy = near === undefined ? 'name one of these' : `did you mean ${near}?`
      return E.left(fault('usage', { place: '--stage', found: asked, allowed: `${allowed.join(', ')} (stages of ${device.name})`, remedy }))
    }
    const attention = pipe(
      phase.forward.objective,
      E.map((o) => showAttention(o.graph)),
    )
    const parts = [await stage.text(), attention, a.json ? summary(asked, phase, device) : E.right('')]
    return E.map((texts: ReadonlyArray<string>) => texts.join(''))(E.sequenceArray(parts))
  }

const phaseName = (a: Arguments): string | undefined => {
  const name = a.extra.get('phase')
  return name === undefined ? undefined : String(name)
}

/** What a step costs on the device, as one object. A target that runs graphs has no kernels to count. */
const summary = (stage: string, phase: AssembledPhase, device: Device): Either<Fault, string> => {
  const { graph } = last(phase.turns)
  const common = { target: device.name, stage, phase: phase.name, operations: operationsOf(graph), resident_bytes: residentBytes(graph) }
  if (!isKernelRoad(device.road)) return E.right(`${JSON.stringify(common)}\n`)
  return pipe(
    graph,
    follow(device.road),
    E.map((plan) => {
      const t = totalsOf(plan)
      return `${JSON.stringify({
        ...common,
        kernels: t.launches,
        distinct_kernels: t.distinct,
        updates: t.updates,
        flop: t.flops,
        bytes_moved: t.bytes,
        temporary_bytes: t.temporaryBytes,
      })}\n`
    }),
  )
}

const show = (a: Arguments): TaskEither<Fault, string> =>
  pipe(
    experimentAt(a.operands[0] ?? ''),
    TE.bindTo('experiment'),
    TE.bind('layers', ({ experiment }) => TE.fromTask(layersOf(experiment.settings, a, process.env))),
    TE.bind('resolved', ({ experiment, layers }) => decided(experiment, spokenProgress().say)(layers)),
    TE.bind('split', ({ resolved }) => resolved.data(() => undefined)),
    TE.bind('first', ({ split }) => split.train.item(0)),
    TE.bind('device', () => openTarget(O.getOrElse((): string => 'auto')(a.target))),
    TE.chain(({ resolved, first, device }) => async () => {
      const images = { channels: first.image.channels, side: Math.max(first.image.height, first.image.width) }
      const phaseFor = (ranks: number): Either<Fault, AssembledPhase> =>
        pipe(
          resolved.assemble(images, device.planned, ranks),
          E.chain((assembled) => phaseOf(assembled, phaseName(a))),
        )
      const text =
        a.extra.get('cost') === true
          ? pipe(
              costingOf(spec, a),
              E.chain((c) => costText(phaseFor, c, a.json)),
            )
          : await pipe(
              TE.fromEither(phaseFor(1)),
              TE.chain((phase) => textOf(phase, device, a)),
            )()
      device.close()
      return text
    }),
  )

export const main = async (argv: ReadonlyArray<string>): Promise<number> => {
  const parsed = parseArguments(spec)(argv)
  const text = E.isLeft(parsed)
    ? parsed
    : parsed.right._tag === 'Help'
      ? E.right(`${parsed.right.text}\n`)
      : await show(parsed.right.arguments)()
  if (E.isLeft(text)) {
    return tellFault(text.left)
  }
  process.stdout.write(text.right)
  return 0
}
