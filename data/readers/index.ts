/** Every reader. A folder of several kinds is opened by the reader that knows most of its files, of equals by the first. */
import { array } from './array.ts'
import { byFolderView } from './by-folder.ts'
import { dicomReader } from './dicom/dicom.ts'
import { manifestReader } from './manifest/manifest.ts'
import { niftiReader } from './nifti/nifti.ts'
import { npzReader } from './npz/npz.ts'
import { openWith } from './opener.ts'
import { pictureReader } from './pictures/folder.ts'
import type { Reader, Reopener } from './reader.ts'
import { parquetReader } from './shards/parquet.ts'
import { webdatasetReader } from './shards/webdataset.ts'
import { joinedView } from './joined.ts'
import { subsetView } from './subset.ts'
import { threadedView } from './threaded.ts'

export const readers: ReadonlyArray<Reader> = [
  dicomReader,
  niftiReader,
  pictureReader,
  npzReader,
  webdatasetReader,
  parquetReader,
  manifestReader,
]

/** What opens datasets again, of every origin that there is in this room. */
export const reopeners: ReadonlyArray<Reopener> = [...readers, array, subsetView, joinedView, byFolderView, threadedView]

export const openData = openWith(readers)
