/**
 * A run of several ranks: what `mpirun -n N` or `srun` start as N processes is one run. All ranks go through the same program, each with
 * its part of the images; the first one alone prints and writes into the run's folder, the others have a folder of their own that is
 * removed when they end.
 */
import { copyFile, mkdir, mkdtemp, readdir, rm, symlink } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { unevenly } from '../../compiler/distribute/strategy.ts'
import type { Launched } from '../../compiler/targets/native/ranks/launcher.ts'
import { launchedBy } from '../../compiler/targets/native/ranks/launcher.ts'
import type { Ranks } from '../../compiler/targets/native/ranks/ranks.ts'
import type { Device } from '../../compiler/target.ts'
import type { Fault, FaultKind } from '../../core/fault.ts'
import { exitCode, fault } from '../../core/fault.ts'
import { usualPatience } from '../config/common.ts'
import type { Resolved } from '../run/experiment.ts'
import { isLock } from '../run/lock.ts'
import type { Progress, Speech } from '../run/log/progress.ts'
import { silentTerminal, startProgress } from '../run/log/progress.ts'
import type { Report } from '../run/run.ts'
import { tellFault } from './unexpected.ts'
import type { Where } from './where.ts'

/** This process among those that a launcher started; nothing where it is alone. */
export const launched = (): Launched | undefined => launchedBy(process.env)

/** Whether another rank speaks for this one. */
export const isSilent = (): boolean => (launched()?.rank ?? 0) > 0

/** Milliseconds after which a rank speaks for itself: the first one has then not ended for the same reason, and all others with it. */
const turn = 2000

/** Faults that all ranks have before they are together, and the first one tells. */
const common: ReadonlySet<FaultKind> = new Set(['usage', 'config', 'target'])

/** Whether another rank tells a fault. */
export const isToldByAnother = (f: Fault): boolean => isSilent() && common.has(f.kind)

/** Tells a fault, where no other rank does; gives the exit code. */
export const tellOnce = async (f: Fault): Promise<number> => {
  if (isToldByAnother(f)) return exitCode(f)
  if (isSilent()) await delay(turn)
  return tellFault(f)
}

/** How far a command has come, where this rank speaks. */
export const spokenProgress = (speech: Speech = 'usual'): Progress =>
  startProgress({ speech, ...(isSilent() ? { terminal: silentTerminal } : {}) })

/** What a rank of its own reads of an earlier run: links, but for what is written on. */
const mirrored = async (from: string, to: string): Promise<void> => {
  await mkdir(to, { recursive: true })
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, copy] = [join(from, entry.name), join(to, entry.name)]
    if (entry.isDirectory()) await mirrored(source, copy)
    else if (entry.name.endsWith('.jsonl')) await copyFile(source, copy)
    else if (entry.isFile() && !isLock(entry.name)) await symlink(source, copy)
  }
}

/** A folder for a rank that writes nothing of the run. */
const ownFolder = async ({ out, resume }: Where): Promise<string> => {
  const own = join(await mkdtemp(join(tmpdir(), 'dinograph-rank-')), 'run')
  if (resume) await mirrored(resolve(out), own)
  return own
}

/** Ranks are of `native`. */
const elsewhere = (place: string, target: string, ranks: number): Fault | undefined =>
  target === 'auto' || target === 'native'
    ? undefined
    : fault('config', {
        place,
        found: `${target} in a run of ${ranks} ranks`,
        allowed: 'native, which speaks to other ranks by MPI',
        remedy: 'use --target native, or start the run without mpirun',
      })

const wrong = (r: Resolved, ranks: number): Fault | undefined => {
  const { target, strategy } = r.settings.accelerator
  return elsewhere('accelerator.target', target, ranks) ?? unevenly(r.settings.batch, ranks, ` (${strategy})`)
}

/** Threads of a rank, where nothing else is said. */
const threadsOf = (asked: number, { near }: Ranks): number => (asked > 0 ? asked : Math.max(1, Math.floor(availableParallelism() / near)))

/** What calls libraries is loaded when there are ranks. */
const joined = async (l: Launched, patience: number) => {
  const [{ joinRanks }, { openRanked }] = await Promise.all([
    import('../../compiler/targets/native/ranks/ranks.ts'),
    import('../../compiler/targets/native/ranks/device.ts'),
  ])
  return pipe(
    await joinRanks(l, patience)(),
    E.map((ranks) => ({ ranks, openRanked })),
  )
}

/** What a command is done with that all ranks take part in: their device, and how each of them ends. */
export interface Together {
  readonly device: Device
  /** Called by all ranks: when this one is done, or has a fault, which the first one tells. */
  readonly end: (f: Fault | undefined) => Promise<void>
}

/** One device of all ranks, for images that they share. Faults: another target than native; no MPI. */
export const openTogether =
  (l: Launched, target: string, threads: number, say: (text: string) => void): TaskEither<Fault, Together> =>
  async () => {
    const bad = elsewhere('--target', target, l.ranks)
    if (bad !== undefined) return E.left(bad)
    const ready = await joined(l, usualPatience)
    if (E.isLeft(ready)) return ready
    const { ranks, openRanked } = ready.right
    say(`${ranks.ranks} ranks by ${ranks.library}, each of which reads its share of the images`)
    return pipe(
      await openRanked({ ranks, strategy: 'ddp', threads: threadsOf(threads, ranks), say })(),
      E.map((device): Together => ({
        device,
        end: async (f) => {
          if (f === undefined) ranks.leave()
          else if (ranks.rank > 0) {
            await delay(turn)
            ranks.abort(tellFault(f))
          }
        },
      })),
    )
  }

/** Of the settings what a rank does that another one speaks for. */
const silenced = (r: Resolved): Resolved => ({
  ...r,
  settings: { ...r.settings, runtime: { ...r.settings.runtime, tensorboard: false, mlflow: null, wandb: null } },
})

/** A run as one of N ranks: the first goes on with the report, the others end here. Faults: no MPI; what ranks cannot share. */
export const amongRanks =
  (l: Launched, body: (r: Resolved, o: Where) => TaskEither<Fault, Report>) =>
  (r: Resolved, o: Where): TaskEither<Fault, Report> =>
  async () => {
    const bad = wrong(r, l.ranks)
    if (bad !== undefined) return E.left(bad)
    const { accelerator } = r.settings
    const ready = await joined(l, accelerator.patience)
    if (E.isLeft(ready)) return ready
    const { ranks, openRanked } = ready.right
    const strategy = accelerator.strategy === 'auto' ? 'ddp' : accelerator.strategy
    const threads = threadsOf(accelerator.threads, ranks)
    o.progress.say(
      `${ranks.ranks} ranks by ${ranks.library}, ${r.settings.batch / ranks.ranks} images each: ${strategy}${accelerator.strategy === 'auto' ? ' (accelerator.strategy=fsdp splits parameters, moments and teacher too)' : ''}`,
    )
    const stop = { agreed: false }
    const device = openRanked({
      ranks,
      strategy,
      threads,
      say: o.progress.say,
      stopping: o.stopping,
      stopped: () => {
        stop.agreed = true
      },
    })
    const shared: Where = { ...o, device, stopping: () => stop.agreed }
    if (ranks.rank === 0) {
      const done = await body(r, shared)()
      if (E.isRight(done)) ranks.leave()
      return done
    }
    const out = await ownFolder(o)
    const { resume, stopping, length } = shared
    const done = await body(silenced(r), {
      out,
      common: resolve(o.out),
      resume,
      device,
      stopping,
      ...(length === undefined ? {} : { length }),
      // all ranks run the same programs, that of the sheet of crops too
      ...(o.preview === undefined ? {} : { preview: join(out, '..', 'preview.png') }),
      progress: startProgress({ terminal: silentTerminal }),
    })()
    await rm(join(out, '..'), { recursive: true, force: true })
    if (E.isLeft(done)) {
      await delay(turn)
      ranks.abort(tellFault(done.left))
      return done
    }
    ranks.leave()
    process.exit(0)
  }
