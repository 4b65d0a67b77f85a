/** Datasets from their origins: what a thread is told in place of functions. */
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../core/fault.ts'
import { arrayDataset, subset } from '../readers/dataset.ts'
import type { Dataset } from '../readers/dataset.ts'
import { withIntensity } from './intensity.ts'
import { negative } from './negative.ts'
import type { Origin } from '../readers/origin.ts'
import { dicomDataset } from '../readers/dicom/dicom.ts'
import { pictures } from '../readers/pictures/folder.ts'
import { annotate } from '../readers/manifest/manifest.ts'
import { niftiDataset } from '../readers/nifti/nifti.ts'
import { npzDataset } from '../readers/npz.ts'

const view = (of: Origin, f: (d: Dataset) => Either<Fault, Dataset>): TaskEither<Fault, Dataset> => pipe(reopen(of), TE.chainEitherK(f))

/** The dataset that has this origin. Law: its items, labels and sources are those of the dataset that gave the origin. */
export const reopen = (o: Origin): TaskEither<Fault, Dataset> => {
  switch (o._tag) {
    case 'Array': return TE.fromEither(arrayDataset(o.parts))
    case 'Pictures': return TE.right(pictures(o.parts))
    case 'Dicom': return TE.right(dicomDataset(o.parts))
    case 'Nifti': return TE.right(niftiDataset(o.parts))
    case 'Npz': return TE.right(npzDataset(o.parts))
    case 'Manifest': return view(o.of, annotate(o.parts))
    case 'Subset': return view(o.of, subset(o.indices, o.name))
    case 'Negative': return pipe(reopen(o.of), TE.map(negative))
    case 'Intensity': return pipe(reopen(o.of), TE.chain(withIntensity(o.intensity)))
  }
}
