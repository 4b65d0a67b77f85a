/**
 * Images as a reader sees them, in a safetensors file: `image/<i>` [C, H, W] in the data's own units, `label/<i>` where
 * there is one (a number, or a vector of several classes), and in the metadata `items`, a JSON list with the source,
 * frame, spacing, label and split of each.
 */

import * as E from 'fp-ts/lib/Either.js'
import type { Fault } from '../../core/fault.ts'
import type { Dataset, Item } from '../readers/dataset.ts'
import { eachItem } from './summary.ts'
import type { Progress } from '../readers/result.ts'
import type { Safetensors } from '../formats/safetensors.ts'
import { floatTensor, intTensor } from '../formats/tensor.ts'
import type { HostTensor } from '../formats/tensor.ts'

/** What was read, ready to be written, and what could not be. */
export interface Dumped {
  readonly file: Safetensors
  readonly count: number
  readonly unreadable: ReadonlyArray<Fault>
}

/** Reads at most `limit` items of all datasets together, numbered in their order. Items that cannot be read have no number. */
export const dumpItems = async (
  datasets: ReadonlyArray<readonly [split: string, dataset: Dataset]>,
  limit: number,
  progress: Progress,
): Promise<Dumped> => {
  const tensors = new Map<string, HostTensor>()
  const items: object[] = []
  const unreadable: Fault[] = []
  const add = (split: string, item: Item): void => {
    const i = items.length
    const { image, label, labels } = item
    tensors.set(`image/${i}`, floatTensor([image.channels, image.height, image.width], image.data))
    if (labels !== undefined) tensors.set(`label/${i}`, intTensor([labels.length], Int32Array.from(labels)))
    else if (label !== undefined) tensors.set(`label/${i}`, intTensor([], Int32Array.of(label)))
    items.push({ source: item.source, frame: item.frame ?? 0, spacing: item.spacing ?? null, label: labels ?? label ?? null, split })
  }
  for (const [split, d] of datasets) {
    await eachItem(d, limit - items.length, progress, (_, e) => {
      if (E.isLeft(e)) unreadable.push(e.left)
      else add(split, e.right)
    })
  }
  return { file: { tensors, metadata: { items: JSON.stringify(items) } }, count: items.length, unreadable }
}
