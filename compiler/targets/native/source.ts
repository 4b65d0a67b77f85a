/** Distinct kernels as C translation units. */
import type { Kernel } from '../../kernel/kernel.ts'
import { attentionOf, attentionSource } from './attention.ts'
import { collectiveSource } from './collective.ts'
import { columnsOf, columnsSource } from './columns.ts'
import { contractionOf } from './contraction.ts'
import { elementSource } from './element.ts'
import { productSource } from './product.ts'

export interface Unit {
  readonly source: string
  /** Keys of its kernels, in the order of its table. */
  readonly keys: ReadonlyArray<string>
}

const linesOf = (k: Kernel, name: string): ReadonlyArray<string> => {
  if (k.whole?.together !== undefined) return collectiveSource(k.whole.together, name)
  const [attention, product] = [attentionOf(k), contractionOf(k)]
  if (attention !== undefined) return attentionSource(k, attention, name)
  if (product !== undefined) return productSource(k, product, name)
  const columns = columnsOf(k)
  return columns === undefined ? elementSource(k, name) : columnsSource(k, columns, name)
}

/** The C text of one kernel as function `name`. */
export const kernelSource = (k: Kernel, name: string): string => [`/* ${k.name.replaceAll('*/', '* /')} */`, ...linesOf(k, name)].join('\n')

/** A kernel and its C text, as the function of its place in a unit. */
interface Placed {
  readonly kernel: Kernel
  readonly source: string
}

const nameOf = (place: number): string => `k${place}`

const unitOf = (placed: ReadonlyArray<Placed>): Unit => ({
  keys: placed.map(({ kernel }) => kernel.key),
  source: [
    '#include "kernel.h"',
    ...placed.map(({ source }) => source),
    `static const Kernel kernels[] = {${placed.map((_, i) => nameOf(i)).join(', ')}};`,
    'int64_t dg_kernel(int32_t i) { return (int64_t)(intptr_t)kernels[i]; }',
    '',
  ].join('\n\n'),
})

/** Characters of text in one unit: small enough that two processors compile side by side, large enough to be few. */
const unitSize = 60000

/** Each distinct kernel once, in units that compile independently. */
export const unitsOf = (kernels: ReadonlyArray<Kernel>): ReadonlyArray<Unit> => {
  const distinct = [...new Map(kernels.map((k) => [k.key, k])).values()]
  const units: Array<Array<Placed>> = []
  let size = unitSize
  for (const kernel of distinct) {
    if (size >= unitSize) {
      units.push([])
      size = 0
    }
    const unit = units[units.length - 1]
    const source = kernelSource(kernel, nameOf(unit.length))
    unit.push({ kernel, source })
    size += source.length
  }
  return units.map(unitOf)
}
