/** Finds the backbone among the tensors of a file: under which path it lies, whatever wraps it, and what lies beside it. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import type { Fault } from '../../../core/fault.ts'
import { fault } from '../../../core/fault.ts'
import type { StoredTensor, StoredTensors } from '../../../data/formats/stored.ts'
import type { Anchors } from '../../../models/huggingface/prefix.ts'
import { chosenPrefix, isShare, prefixesOf, unwrapped } from '../../../models/huggingface/prefix.ts'
import type { Network } from '../network.ts'
import { listOf } from './weights.ts'

export interface Located {
  /** Which of the anchors was found. */
  readonly anchors: Anchors
  /** `teacher.backbone.` */
  readonly prefix: string
  /** What lies under the path, by names without it. */
  readonly inside: StoredTensors
  /** What lies elsewhere, by whole names. */
  readonly outside: ReadonlyArray<string>
  readonly notes: ReadonlyArray<string>
}

/** The names without wrappers. Fault: two tensors that are then called the same. */
const unwrappedAll = (place: string, tensors: StoredTensors): Either<Fault, StoredTensors> => {
  const out = new Map<string, StoredTensor>()
  for (const [name, x] of tensors) {
    const plain = unwrapped(name)
    if (out.has(plain))
      return E.left(
        fault('data', {
          place,
          found: `two tensors that are ${plain} once wrappers are taken off, one of them ${name}`,
          allowed: 'one',
          remedy: 'keep one of them in the file',
        }),
      )
    out.set(plain, x)
  }
  return E.right(out)
}

/** Names by their first part, for a note of what was left out. */
const groupsOf = (names: ReadonlyArray<string>): string => {
  const groups = new Map<string, ReadonlyArray<string>>()
  for (const name of names) groups.set(name.replace(/\..*$/, ''), [...(groups.get(name.replace(/\..*$/, '')) ?? []), name])
  return listOf([...groups.values()].map(([first = '', ...rest]) => (rest.length === 0 ? first : `${first} and ${rest.length} more`)))
}

/** Where one of the anchors is. Faults: one rank's share of a network; no backbone, or several of which none is meant before others. */
export const locate = (place: string, all: StoredTensors, anchors: ReadonlyArray<Anchors>, network: Network): Either<Fault, Located> => {
  const share = [...all.keys()].find(isShare)
  if (share !== undefined)
    return E.left(
      fault('data', {
        place,
        found: `${share}: one rank's share of a network that FSDP has sharded`,
        allowed: 'whole tensors by their names',
        remedy: 'gather it in Python (FSDP with StateDictType.FULL_STATE_DICT), and save that',
      }),
    )
  const named = unwrappedAll(place, all)
  if (E.isLeft(named)) return named
  const tensors = named.right
  const names = new Set(tensors.keys())
  for (const a of anchors) {
    const prefixes = prefixesOf(names, a)
    if (prefixes.length === 0) continue
    const prefix = chosenPrefix(prefixes, network)
    if (prefix === undefined)
      return E.left(
        fault('data', {
          place,
          found: `${prefixes.length} backbones, under ${prefixes.map((p) => (p === '' ? 'no name' : p)).join(', ')}`,
          allowed: 'one, or a student and its teacher',
          remedy: 'keep one of them in the file',
        }),
      )
    const inside = new Map([...tensors].flatMap(([name, x]) => (name.startsWith(prefix) ? [[name.slice(prefix.length), x] as const] : [])))
    const outside = [...names].filter((name) => !name.startsWith(prefix))
    return E.right({
      anchors: a,
      prefix,
      inside,
      outside,
      notes: [
        ...(prefix === '' ? [] : [`the backbone lies under ${prefix.slice(0, -1)}`]),
        ...(outside.length === 0 ? [] : [`left out, as no part of it: ${groupsOf(outside)}`]),
      ],
    })
  }
  return E.left(
    fault('data', {
      place,
      found: tensors.size === 0 ? 'no tensors' : `${tensors.size} tensors: ${listOf([...names])}`,
      allowed: `those of a ViT of the family: ${anchors.map((a) => [a.first, ...a.beside.slice(0, 1)].join(' and ')).join(', or ')}`,
      remedy: 'name the file of a DINO, DINOv2 or DINOv3 backbone',
    }),
  )
}
