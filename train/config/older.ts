/**
 * The whole configurations of runs, as earlier versions wrote them: what they do not say did not exist yet, and is what it was then,
 * whatever a program has made its default since.
 */
import { isRecord, valueAt } from '../../data/formats/codec.ts'

/** The first line of a run's `config.yaml`. */
export const wholeLine = '# The whole configuration of this run. With --config it gives the same run again; --resume reads it by itself.'

/** Crops were neither turned nor slanted in 0.1. */
const unwarped = { probability: 0 }

/** A whole configuration with what its version could not say. */
export const asThen = <A>(whole: A): A | (A & { readonly augmentation: object }) => {
  const augmentation = valueAt(whole, 'augmentation')
  return isRecord(augmentation) && !('warp' in augmentation) ? { ...whole, augmentation: { ...augmentation, warp: unwarped } } : whole
}

/** The tree of a file: as its version meant it, where it is a run's. */
export const treeOf = (text: string, tree: unknown): unknown => (text.startsWith(wholeLine) ? asThen(tree) : tree)
