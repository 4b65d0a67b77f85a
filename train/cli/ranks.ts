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
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { unevenly } from '../../compiler/distribute/strategy.ts'
import type { Launched } from '../../compiler/targets/native/ranks/launcher.ts'
import { launchedBy } from '../../compiler/targets/native/ranks/launcher.ts'
import type { Fault, FaultKind } from '../../core/fault.ts'
import { fault } from '../../core/fault.ts'
import type { Resolved } from '../run/experiment.ts'
import { isLock } from '../run/lock.ts'
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

const wrong = (r: Resolved, ranks: number): Fault | undefined => {
  const { target, strategy } = r.settings.accelerator
  if (target !== 'auto' && target !== 'native')
    return fault('config', {
      place: 'accelerator.target',
      found: `${target} in a run of ${ranks} ranks`,
      allowed: 'native, which speaks to other ranks by MPI',
      remedy: 'use --target native, or start the run without mpirun',
    })
  return unevenly(r.settings.batch, ranks, ` (${strategy})`)
}

/** Of the settings what a rank does that another one speaks for. */
const silenced = (r: Resolved): Resolved => ({
  ...r,
  settings: { ...r.settings, runtime: { ...r.settings.runtime, tensorboard: false, mlflow: null } },
})

/** A run as one of N ranks: the first goes on with the report, the others end here. Faults: no MPI; what ranks cannot share. */
export const amongRanks =
  (l: Launched, body: (r: Resolved, o: Where) => TaskEither<Fault, Report>) =>
  (r: Resolved, o: Where): TaskEither<Fault, Report> =>
  async () => {
    const bad = wrong(r, l.ranks)
    if (bad !== undefined) return E.left(bad)
    const { accelerator } = r.settings
    // what calls libraries is loaded when there are ranks
    const [{ joinRanks }, { openRanked }] = await Promise.all([
      import('../../compiler/targets/native/ranks/ranks.ts'),
      import('../../compiler/targets/native/ranks/device.ts'),
    ])
    const joined = await joinRanks(l, accelerator.patience)()
    if (E.isLeft(joined)) return joined
    const ranks = joined.right
    const strategy = accelerator.strategy === 'auto' ? 'ddp' : accelerator.strategy
    const threads = accelerator.threads > 0 ? accelerator.threads : Math.max(1, Math.floor(availableParallelism() / ranks.near))
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
    const { resume, stopping } = shared
    const done = await body(silenced(r), { out, resume, device, stopping, progress: startProgress({ terminal: silentTerminal }) })()
    await rm(join(out, '..'), { recursive: true, force: true })
    if (E.isLeft(done)) {
      await delay(turn)
      ranks.abort(tellFault(done.left))
      return done
    }
    ranks.leave()
    process.exit(0)
  }
