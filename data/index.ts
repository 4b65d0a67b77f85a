/** `dinograph/data`. Everything between a file and a tensor. */

// Images and sets of them.
export type { Image, Box, Item, Window, Dataset, SplitName, Splits } from './readers/dataset.ts'
export type { Split } from './readers/split.ts'
export { splitAt, splitByLabel, trainAndTest, datasetOf } from './readers/split.ts'
export { subset } from './readers/subset.ts'

// Readers.
export { readers, openData } from './readers/index.ts'
export type { OpenOptions, Reader } from './readers/reader.ts'
export { threaded } from './readers/threaded.ts'
export type { ImageArray } from './readers/array.ts'
export { array } from './readers/array.ts'
export type { MnistOptions } from './readers/mnist.ts'
export { mnistSplit, mnist } from './readers/mnist.ts'

// Pictures in and out.
export type { PictureOptions } from './readers/pictures/file.ts'
export { readPicture } from './readers/pictures/file.ts'
export type { SheetOptions } from './readers/pictures/picture.ts'
export { encodePng, writePng, contactSheet, heatMap, blend, outline } from './readers/pictures/picture.ts'

// Intensities, and views that change values.
export type { Intensity } from './loading/intensity.ts'
export { windowPresets, withIntensity, throughWindow, throughRange } from './loading/intensity.ts'
export { negatives } from './loading/negative.ts'
export { normalisationFor } from './loading/measure.ts'

// Batches, ahead of time on worker threads.
export type { Batch, Loader, LoaderOptions } from './loading/loader.ts'
export { openLoader } from './loading/loader.ts'
export type { TrainingSplit } from './loading/training.ts'
export { openTraining } from './loading/training.ts'

// Crops and colours as tensor programs; masks.
export type { CropGroup, Jitter, Normalisation, Augmentation } from './augment/augmentation.ts'
export type { AugmentationOptions } from './augment/presets.ts'
export { imagenet, augmentations } from './augment/presets.ts'
export type { MaskOptions } from './augment/masks.ts'
export { drawMasks } from './augment/masks.ts'

// Tensors and files of them.
export type { HostTensor, HostTensors } from './formats/tensor.ts'
export { floatTensor, intTensor, floatsOf, intsOf } from './formats/tensor.ts'
export type { Safetensors } from './formats/safetensors.ts'
export { readSafetensors, writeSafetensors } from './formats/safetensors.ts'
