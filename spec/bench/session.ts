/** A workload that has been compiled on a device and runs step by step. */
import * as E from 'fp-ts/lib/Either.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../core/fault.ts'
import { exitCode, showFault } from '../../core/fault.ts'
import { openTarget } from '../../compiler/targets/open.ts'
import type { Precision } from '../../compiler/targets/pjrt/writer.ts'
import { openNative } from '../../compiler/targets/native/device.ts'
import type { Profile } from '../../compiler/targets/native/profile.ts'
import type { Executable, Progress, HostValues } from '../../compiler/target.ts'
import type { Workload } from './workload.ts'

export interface Settings {
  readonly target: string
  readonly threads: number | undefined
  /** Of products of f32 on the targets pjrt; the highest when not given. */
  readonly precision?: Precision
}

export interface Session {
  /** Seconds from the workload's definition to a traced and differentiated graph, and from there to a program that is ready. */
  readonly trace_s: number
  readonly compile_s: number
  /** Runs the next step: its seconds, and its loss, or the mean square of what it hands back where there is none. */
  readonly step: () => Promise<{ readonly seconds: number; readonly loss: number }>
  /** Seconds of each kernel over some runs; undefined where the target cannot say. */
  readonly profile: ((steps: number) => Promise<Profile>) | undefined
  readonly close: () => void
}

export const stop = (f: Fault): never => {
  process.stderr.write(`${showFault(f)}\n`)
  process.exit(exitCode(f))
}

export const must = async <A>(task: TaskEither<Fault, A>): Promise<A> => {
  const r = await task()
  return E.isRight(r) ? r.right : stop(r.left)
}

const seconds = (): number => performance.now() / 1000

const lossOf = (out: HostValues): number => {
  const loss = out.get('loss')
  if (loss !== undefined) return loss[0]
  const [first] = out.values()
  if (first === undefined) return NaN
  let sum = 0
  for (const x of first) sum += x * x
  return sum / first.length
}

/** Progress of compiling: a line for each unit. */
const progress = ({ done, total, unit }: Progress): void => {
  process.stderr.write(`compiled ${done} of ${total} ${unit}\n`)
}

/** Traces, writes first values, compiles. A fault ends the process. */
export const openSession = async (w: Workload, s: Settings): Promise<Session> => {
  const threads = s.threads === undefined ? {} : { threads: s.threads }
  const own = s.target === 'native' ? await must(openNative(threads)) : undefined
  const d = own ?? (await must(openTarget(s.target, { ...threads, ...(s.precision === undefined ? {} : { precision: s.precision }) })))
  const from = seconds()
  const { graph, residents, values } = await must(() => Promise.resolve(w.prepare()))
  const traced = seconds()
  for (const [path, type, data] of residents()) await must(d.write(path, type, data))
  const start = seconds()
  const profiled = own === undefined ? undefined : await must(own.compile(graph, { progress }))
  const executable: Executable = profiled ?? (await must(d.compile(graph, { progress })))
  const compile_s = seconds() - start
  const at = { step: 0 }
  return {
    trace_s: traced - from,
    compile_s,
    step: async () => {
      const began = seconds()
      const out = await must(executable.run({ values, step: at.step++ }))
      return { seconds: seconds() - began, loss: lossOf(out) }
    },
    profile: profiled === undefined ? undefined : (steps) => must(() => profiled.profile({ values }, steps)),
    close: d.close,
  }
}
