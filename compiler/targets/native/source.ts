/** Distinct kernels as C translation units. */
import type { Kernel } from '../../kernel.ts'
import { attentionOf, attentionSource } from './attention.ts'
import { contractionOf } from './contraction.ts'
import { elementSource } from './element.ts'
import { productSource } from './product.ts'

export interface Unit {
  readonly source: string
  /** Keys of its kernels, in the order of its table. */
  readonly keys: ReadonlyArray<string>
}

/** The C text of one kernel as function `name`. */
export const kernelSource = (k: Kernel, name: string): string => {
  const [a, c] = [attentionOf(k), contractionOf(k)]
  const lines = a !== undefined ? attentionSource(k, a, name) : c === undefined ? elementSource(k, name) : productSource(k, c, name)
  return [`/* ${k.name.replaceAll('*/', '* /')} */`, ...lines].join('\n')
}

const unitOf = (kernels: ReadonlyArray<Kernel>): Unit => ({
  keys: kernels.map((k) => k.key),
  source: [
    '#include "kernel.h"',
    ...kernels.map((k, i) => kernelSource(k, `k${i}`)),
    `static const Kernel kernels[] = {${kernels.map((_, i) => `k${i}`).join(', ')}};`,
    'int64_t dg_kernel(int32_t i) { return (int64_t)(intptr_t)kernels[i]; }',
    '',
  ].join('\n\n'),
})

/** Characters of text in one unit: small enough that two processors compile side by side, large enough to be few. */
const unitSize = 60000

/** Each distinct kernel once, in units that compile independently. */
export const unitsOf = (kernels: ReadonlyArray<Kernel>): ReadonlyArray<Unit> => {
  const distinct = [...new Map(kernels.map((k) => [k.key, k])).values()]
  const units: Array<Array<Kernel>> = []
  let size = unitSize
  for (const k of distinct) {
    if (size >= unitSize) {
      units.push([])
      size = 0
    }
    units[units.length - 1].push(k)
    size += kernelSource(k, 'k').length
  }
  return units.map(unitOf)
}
