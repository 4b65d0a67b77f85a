/**
 * Distillation as roles of an objective: the teacher is frozen, and a moving average of the student is the product.
 *
 * ```
 * before  teacher.backbone.…: average
 * after   teacher.backbone.…: fixed;  ema.backbone.…: average, in no graph of the objective
 * ```
 * models/distil.ts has the networks, losses/distil.ts and losses/relation.ts the terms.
 */
import * as E from 'fp-ts/lib/Either.js'
import { fault } from '../../../core/fault.ts'
import { join } from '../../../core/tree.ts'
import type { Loss } from '../../../losses/loss.ts'
import { scoped } from '../../../losses/loss.ts'
import type { Resident } from '../objective.ts'
import type { Strategy } from './strategy.ts'
import { strategies, withinNetwork } from './strategy.ts'

/** The teacher is only read, and is another network than the student. Fault: it has adapters of the student's already. */
export const fixedTeacher: Strategy = (o) => {
  const adapter = o.residents.find((r) => r.path.startsWith('teacher.') && r.path.includes('.lora_'))
  if (adapter !== undefined)
    return E.left(
      fault('config', {
        place: 'fixedTeacher',
        found: `a teacher with the student's adapters, such as ${adapter.path}`,
        allowed: 'a teacher of its own',
        remedy: 'freeze the teacher before LoRA',
      }),
    )
  return E.right({
    ...o,
    residents: o.residents.map((r): Resident =>
      r.path.startsWith('teacher.') && (r.role === 'average' || r.role === 'shared') ? { ...r, role: 'fixed' } : r,
    ),
  })
}

/** The root of the product. */
export const productRoot = 'ema'

/** The name of the first of several students: the one that is evaluated. */
export const firstStudent = 'model'

/** A moving average of those tensors of the student that `of` names; by default its backbone. Fault: there is one already. */
export const averaged =
  (of: (path: string) => boolean = (path) => /^(?:[^.]+\.)?backbone\./.test(path)): Strategy =>
  (o) => {
    if (o.residents.some((r) => r.path.startsWith(`${productRoot}.`)))
      return E.left(
        fault('config', {
          place: 'averaged',
          found: 'an average of the student already',
          allowed: 'one',
          remedy: 'name all tensors in one strategy',
        }),
      )
    const added = o.residents.flatMap((r): ReadonlyArray<Resident> => {
      const path = withinNetwork(r.path)
      if (!r.path.startsWith('student.') || !of(path)) return []
      return [{ ...r, path: join(productRoot, path), role: r.role === 'fixed' ? 'shared' : 'average' }]
    })
    return E.right({ ...o, residents: [...o.residents, ...added] })
  }

/** Both: what distillation of a teacher into a student asks for. */
export const distilled: Strategy = strategies([fixedTeacher, averaged()])

/** A loss of one of several students, under its name (models/distil.ts `severalStudents`). */
export const ofStudent =
  (name: string) =>
  <S, T>(
    loss: Loss<{ readonly images: number; readonly student: S; readonly teacher: T }>,
  ): Loss<{ readonly images: number; readonly student: Readonly<Record<string, S>>; readonly teacher: T }> => {
    const own = scoped(name)(loss)
    return { state: own.state, run: (f) => own.run({ images: f.images, student: f.student[name], teacher: f.teacher }) }
  }
