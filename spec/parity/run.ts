/** Runs golden cases on a target. */
import * as E from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { Device } from '../../compiler/target.ts'
import type { Fault } from '../../core/fault.ts'
import { showFault } from '../../core/fault.ts'
import type { LoadedCase } from './case.ts'
import { loadCase } from './case.ts'
import type { Verdict } from './compare.ts'
import { compare, verdictOf } from './compare.ts'
import type { Test } from './kind.ts'
import { findKind } from './kind.ts'

/** All tolerances of a GPU are scaled by this: its transcendental functions are fast ones. */
export const toleranceFactor = (target: string): number => (target === 'gpujs:webgpu' || target === 'gpujs:headlessgl' ? 10 : 1)

const compute = (open: TaskEither<Fault, Device>, test: Test, loaded: LoadedCase): TaskEither<Fault, Verdict> =>
  test._tag === 'Judge'
    ? pipe(
        TE.fromEither(test.judge(loaded)),
        TE.map((claims) => verdictOf(loaded, claims)),
      )
    : TE.bracket(
        open,
        (device) =>
          pipe(
            test.kind(loaded.given, device),
            TE.map((got) => compare(loaded, got, toleranceFactor(device.name), test.atolOf)),
          ),
        (device) =>
          TE.fromIO(() => {
            device.close()
          }),
      )

const failed = (name: string, kind: string, f: Fault): Verdict => ({
  status: 'FAIL',
  name,
  kind,
  ratio: undefined,
  worst: showFault(f).replaceAll(/\s*\n\s*/g, '; '),
  tensors: 0,
})

const unsupported = ({ given }: LoadedCase): Verdict => ({
  status: 'UNSUPPORTED',
  name: given.name,
  kind: given.kind,
  ratio: undefined,
  worst: `no kind ${given.kind}`,
  tensors: 0,
})

/** One case on a device of its own. Whatever goes wrong is a verdict. */
export const runCase =
  (open: TaskEither<Fault, Device>, folder: string, name: string): TaskEither<never, Verdict> =>
  async () => {
    const loaded = await loadCase(folder, name)()
    if (E.isLeft(loaded)) return E.right(failed(name, '', loaded.left))
    const { kind } = loaded.right.given
    const verdict = await pipe(
      findKind(kind),
      TE.chain(
        O.match(
          () => TE.right(unsupported(loaded.right)),
          (k) => compute(open, k, loaded.right),
        ),
      ),
    )()
    return E.right(E.isLeft(verdict) ? failed(name, kind, verdict.left) : verdict.right)
  }

/** `PASS v1_vit  0.0123 out/native/cls` */
export const showVerdict = (v: Verdict): string =>
  `${v.status} ${v.name}  ${v.ratio === undefined ? '' : `${v.ratio.toPrecision(3)} `}${v.worst}`
