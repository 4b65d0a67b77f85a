/** `npm run ir -- examples/NAME.ts [--stage …] [--target …]`: the whole training step of an example, stage by stage. */
import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { basename, dirname, join, resolve as resolvePath } from 'node:path'
import { pathToFileURL } from 'node:url'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as O from 'fp-ts/lib/Option.js'
import { last } from 'fp-ts/lib/ReadonlyNonEmptyArray.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { planOf, portable } from '../../compiler/plan.ts'
import { residentBytes, totalsOf } from '../../compiler/schedule.ts'
import { operationsOf, showAttention, showFused, showGraph, showRewritten } from '../../compiler/stages.ts'
import { openTarget } from '../../compiler/targets/open.ts'
import type { Fault } from '../../core/fault.ts'
import { exitCode, fault, messageOf, showFault } from '../../core/fault.ts'
import type { Arguments, CommandSpec } from '../arguments.ts'
import { parseArguments } from '../arguments.ts'
import { layersOf } from '../config/sources.ts'
import type { Assembled, AssembledPhase, Experiment } from '../experiment.ts'
import { initialize, writeResidents } from '../initialize.ts'
import { nearest } from '../nearest.ts'
import type { Program } from '../step.ts'

const stages = ['traced', 'grad', 'rewritten', 'fused', 'source'] as const

const spec: CommandSpec = {
  call: 'npm run ir --',
  about: 'Prints the training step of an example: traced, with gradients, rewritten, fused into kernels, or as source code; then what looked like attention and was missed.',
  operands: [{ name: 'EXAMPLE', text: 'the example, such as examples/dinov1.ts' }],
  answers: ['config', 'set', 'data', 'model', 'target', 'seed', 'steps'],
  options: [
    { name: 'stage', value: 'STAGE', choices: stages, text: 'which stage to print; fused by default' },
    { name: 'phase', value: 'NAME', text: 'which phase of a run that has several; the last by default' },
  ],
}

const isExperiment = (x: unknown): x is Experiment => typeof x === 'object' && x !== null && 'resolve' in x && 'settings' in x && 'name' in x

/** A path that names no file: what may have been meant. */
const noSuchFile = async (path: string): Promise<Fault> => {
  const names = await readdir(dirname(path)).catch((): ReadonlyArray<string> => [])
  const programs = names.filter((n) => n.endsWith('.ts'))
  const near = nearest(basename(path), programs)
  return fault('usage', { place: path, found: 'no such file', allowed: programs.map((n) => join(dirname(path), n)).join(', ') || 'a file like examples/dinov1.ts', remedy: near === undefined ? 'name a file like examples/dinov1.ts' : `did you mean ${join(dirname(path), near)}?` })
}

const load = (path: string): TaskEither<Fault, Experiment> => async () => {
  if (!existsSync(path)) return E.left(await noSuchFile(path))
  const wrong = (found: string): Fault => fault('usage', { place: path, found, allowed: 'a module whose default export is an experiment', remedy: 'name a file like examples/dinov1.ts' })
  try {
    const module: unknown = await import(pathToFileURL(resolvePath(path)).href)
    const main: unknown = typeof module === 'object' && module !== null && 'default' in module ? module.default : undefined
    return isExperiment(main) ? E.right(main) : E.left(wrong('no experiment as its default export'))
  } catch (e) {
    return E.left(wrong(messageOf(e)))
  }
}

const objectiveOf = (a: AssembledPhase): Either<Fault, string> => pipe(a.forward.objective, E.map((o) => showGraph(o.graph)))

/** The source that a target makes of the step; its state is written first, since programs are compiled against a device. */
const sourceOf = (p: Program, target: string): TaskEither<Fault, string> =>
  pipe(
    openTarget(target),
    TE.chain((device) => pipe(
      writeResidents(device, p.residents)(initialize(0)(p.residents)),
      TE.chain(() => device.compile(p.graph)),
      TE.map((run) => `${run.source.join('\n\n')}\n// ${run.source.length} distinct kernels, ${run.launches} launches on ${device.name}\n`),
      (task): TaskEither<Fault, string> => async () => {
        const text = await task()
        device.close()
        return text
      },
    )),
  )

const phaseOf = (a: Assembled, name: string | undefined): Either<Fault, AssembledPhase> => {
  const found = name === undefined ? last(a.phases) : a.phases.find((p) => p.name === name)
  return found === undefined ? E.left(fault('usage', { place: '--phase', found: name ?? '', allowed: a.phases.map((p) => p.name).join(', '), remedy: 'name a phase of the run' })) : E.right(found)
}

const textOf = (a: AssembledPhase, stage: string, target: string): TaskEither<Fault, string> => {
  const program = last(a.turns)
  switch (stage) {
    case 'traced': return TE.fromEither(objectiveOf(a))
    case 'grad': return TE.right(showGraph(program.graph))
    case 'rewritten': return TE.fromEither(showRewritten(program.graph))
    case 'source': return sourceOf(program, target)
    default: return TE.fromEither(showFused(portable)(program.graph))
  }
}

const phaseName = (a: Arguments): string | undefined => {
  const name = a.extra.get('phase')
  return name === undefined ? undefined : String(name)
}

/** What a step costs, planned for a graphics processor, as one object. */
const summary = (stage: string, phase: AssembledPhase): Either<Fault, string> => {
  const { graph } = last(phase.turns)
  return pipe(graph, planOf(portable), E.map((plan) => {
    const t = totalsOf(plan)
    return `${JSON.stringify({
      stage, phase: phase.name, operations: operationsOf(graph), kernels: t.launches, distinct_kernels: t.distinct, updates: t.updates, flop: t.flops,
      bytes_moved: t.bytes, temporary_bytes: t.temporaryBytes, resident_bytes: residentBytes(graph),
    })}\n`
  }))
}

const show = (a: Arguments): TaskEither<Fault, string> =>
  pipe(
    load(a.operands[0] ?? ''),
    TE.bindTo('experiment'),
    TE.bind('layers', ({ experiment }) => TE.fromTask(layersOf(experiment.settings, a, process.env))),
    TE.bind('resolved', ({ experiment, layers }) => TE.fromEither(experiment.resolve(layers))),
    TE.bind('split', ({ resolved }) => resolved.data(() => undefined)),
    TE.bind('first', ({ split }) => split.train.item(0)),
    TE.chain(({ resolved, first }) => TE.fromEither(resolved.assemble({ channels: first.image.channels, side: Math.max(first.image.height, first.image.width) }))),
    TE.chainEitherK((assembled) => phaseOf(assembled, phaseName(a))),
    TE.chain((phase) => {
      const stage = String(a.extra.get('stage') ?? 'fused')
      const text = pipe(
        textOf(phase, stage, O.getOrElse((): string => 'auto')(a.target)),
        TE.chainEitherK((t) => pipe(phase.forward.objective, E.chain((o) => showAttention(o.graph)), E.map((found) => `${t}${found}`))),
      )
      return a.json ? pipe(text, TE.chain((t) => TE.fromEither(pipe(summary(stage, phase), E.map((line) => `${t}${line}`))))) : text
    }),
  )

const main = async (argv: ReadonlyArray<string>): Promise<number> => {
  const parsed = parseArguments(spec)(argv)
  const text = E.isLeft(parsed) ? parsed : parsed.right._tag === 'Help' ? E.right(`${parsed.right.text}\n`) : await show(parsed.right.arguments)()
  if (E.isLeft(text)) {
    process.stderr.write(`${showFault(text.left)}\n`)
    return exitCode(text.left)
  }
  process.stdout.write(text.right)
  return 0
}

process.exitCode = await main(process.argv.slice(2))
