/** The DINO loss against plain loops over pairs of crops, and its metrics where they are known. */
import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'
import { gradOptions } from '../../compiler/grad.ts'
import { evaluate } from '../../compiler/targets/reference.ts'
import type { Expr } from '../../core/expr.ts'
import { showFault } from '../../core/fault.ts'
import { value } from '../../core/graph.ts'
import { input, resident } from '../../core/leaves.ts'
import { trace } from '../../core/trace.ts'
import { rank, spread } from '../../losses/collapse.ts'
import { dino } from '../../losses/dino.ts'
import { total } from '../../losses/loss.ts'
import { expectClose, wave } from '../support/tensor.ts'

const [images, k] = [3, 5]

interface Built {
  readonly loss: Expr
  readonly metrics: ReadonlyMap<string, Expr>
  readonly centre: Expr | undefined
  readonly student: ReadonlyArray<Expr>
  readonly teacher: Expr
}

const built = (globals: number, locals: number): Built => {
  const l = dino({ prototypes: k })
  const student = [input('student.global', [globals * images, k]), ...(locals > 0 ? [input('student.local', [locals * images, k])] : [])]
  const teacher = input('teacher', [globals * images, k])
  const [outcome, next] = l.run({
    images,
    student: { global: { logits: student[0] }, ...(locals > 0 ? { local: { logits: student[1] } } : {}) },
    teacher: { global: { logits: teacher } },
  })(new Map([...l.state].map(([path, d]) => [path, resident(path, d)])))
  return {
    loss: total(outcome),
    metrics: new Map(outcome.metrics.map((m) => [m.name, m.value])),
    centre: next.get('dino.center'),
    student,
    teacher,
  }
}

const values = (globals: number, locals: number, temperature = 0.05): ReadonlyMap<string, Float64Array> =>
  new Map([
    ['student.global', Float64Array.from(wave(globals * images * k, 1))],
    ['student.local', Float64Array.from(wave(locals * images * k, 2))],
    ['teacher', Float64Array.from(wave(globals * images * k, 3))],
    ['dino.center', Float64Array.from(wave(k, 4))],
    ['hyper.teacher_temp', Float64Array.of(temperature)],
  ])

const softmax = (xs: ReadonlyArray<number>): ReadonlyArray<number> => {
  const e = xs.map((x) => Math.exp(x - Math.max(...xs)))
  const s = e.reduce((a, b) => a + b, 0)
  return e.map((x) => x / s)
}

/** main_dino.py, word for word. */
const official = (globals: number, locals: number, v: ReadonlyMap<string, Float64Array>): number => {
  const at = (name: string, row: number): ReadonlyArray<number> => [...(v.get(name) ?? new Float64Array()).slice(row * k, row * k + k)]
  const centre = at('dino.center', 0)
  const temperature = v.get('hyper.teacher_temp')?.[0] ?? NaN
  let sum = 0
  let terms = 0
  for (let q = 0; q < globals; q++) {
    for (let s = 0; s < globals + locals; s++) {
      if (s === q) continue
      let pair = 0
      for (let b = 0; b < images; b++) {
        const t = softmax(at('teacher', q * images + b).map((x, i) => (x - centre[i]) / temperature))
        const p = softmax(
          (s < globals ? at('student.global', s * images + b) : at('student.local', (s - globals) * images + b)).map((x) => x / 0.1),
        )
        pair -= t.reduce((a, x, i) => a + x * Math.log(p[i]), 0)
      }
      sum += pair / images
      terms++
    }
  }
  return sum / terms
}

describe('the loss', () => {
  it.each([
    [2, 0],
    [2, 1],
    [2, 8],
    [3, 2],
    [1, 4],
  ])('of %i global and %i local crops is the mean over all pairs but equal ones', (globals, locals) => {
    const v = values(globals, locals)
    expectClose(evaluate([built(globals, locals).loss], v)[0], [official(globals, locals, v)], 1e-12)
  })
  it('moves the centre towards the mean of all teacher rows, after its use', () => {
    const { centre } = built(2, 1)
    const v = values(2, 1)
    const rows = v.get('teacher') ?? new Float64Array()
    const old = v.get('dino.center') ?? new Float64Array()
    const mean = Array.from({ length: k }, (_, i) => rows.filter((_x, j) => j % k === i).reduce((a, b) => a + b, 0) / (2 * images))
    expect(centre).toBeDefined()
    if (centre !== undefined)
      expectClose(
        evaluate([centre], v)[0],
        mean.map((m, i) => 0.9 * old[i] + 0.1 * m),
        1e-12,
      )
  })
  it('sends no gradient to the teacher', () => {
    const b = built(2, 2)
    const [student, teacher] = gradOptions(b.loss, [b.student[0], b.teacher])
    expect([student._tag, teacher._tag]).toEqual(['Some', 'None'])
  })
  it('of one crop alone is a misuse', () => {
    const t = trace('loss', [value('loss', built(1, 0).loss)])
    expect(E.isLeft(t) ? showFault(t.left) : '').toContain('at least two crops of each image')
  })
  it('says that the head has other prototypes', () => {
    const l = dino({ prototypes: k })
    const other = input('other', [2 * images, k + 1])
    const [outcome] = l.run({ images, student: { global: { logits: other } }, teacher: { global: { logits: other } } })(
      new Map([...l.state].map(([path, d]) => [path, resident(path, d)])),
    )
    const t = trace('loss', [value('loss', total(outcome))])
    expect(E.isLeft(t) ? showFault(t.left) : '').toContain('as many prototypes as the head has')
  })
})

describe('metrics', () => {
  const metric = (name: string, v: ReadonlyMap<string, Float64Array>, locals = 2): number => {
    const m = built(2, locals).metrics.get(name)
    return m === undefined ? NaN : evaluate([m], v)[0][0]
  }
  it('entropy and kl add up to the loss', () => {
    const v = values(2, 2, 0.5)
    expectClose([metric('entropy', v) + metric('kl', v)], [official(2, 2, v)], 1e-12)
    expect(metric('kl', v)).toBeGreaterThan(0)
  })
  it('entropy is ln K for a teacher that cannot tell, and 0 for a certain one', () => {
    const flat = new Map([...values(2, 2), ['teacher', new Float64Array(2 * images * k)], ['dino.center', new Float64Array(k)]])
    expectClose([metric('entropy', flat)], [Math.log(k)], 1e-12)
    expect(metric('entropy', values(2, 2, 1e-6))).toBeLessThan(1e-12)
  })
  it('spread is 0 for features that are all alike, and 1 / sqrt D for features of all directions', () => {
    const cls = input('cls', [4, 4])
    const of = (data: ReadonlyArray<number>): number => {
      const [outcome] = spread.run({ images: 2, student: { global: { cls } }, teacher: { global: { cls } } })(new Map())
      return evaluate([outcome.metrics[0].value], new Map([['cls', Float64Array.from(data)]]))[0][0]
    }
    expect(of([1, 2, 3, 4, 2, 4, 6, 8, 1, 2, 3, 4, 1, 2, 3, 4])).toBeLessThan(1e-12)
    expectClose([of([1, 1, 1, 1, 1, -1, 1, -1, -1, 1, -1, 1, -1, -1, -1, -1])], [0.5], 1e-12)
  })
  it('rank is how many directions features differ in: 0 where all are alike, 1 on a line, R - 1 where each is as far from all others', () => {
    const of = (rows: number, data: ReadonlyArray<number>): number => {
      const cls = input('cls', [rows, data.length / rows])
      const [outcome] = rank.run({ images: rows, student: { global: { cls } }, teacher: { global: { cls } } })(new Map())
      return evaluate([outcome.metrics[0].value], new Map([['cls', Float64Array.from(data)]]))[0][0]
    }
    const unit = (n: number): ReadonlyArray<number> => Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 3 : 0))
    expectClose([of(3, [1, 0, 2, 0, 5, 0])], [0], 1e-12)
    // unit rows whose differences all point the same way
    expectClose([of(4, [0, 1, 0, 2, 3, 0, 7, 0])], [1], 1e-12)
    expectClose([of(2, unit(2)), of(4, unit(4)), of(7, unit(7))], [1, 3, 6], 1e-9)
    expectClose([of(4, [1, 0, -1, 0, 0, 1, 0, -1])], [2], 1e-12)
  })
})
