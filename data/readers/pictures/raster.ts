/** Pixels of a picture as its file stores them, before channels are chosen: what our own decoders give. */

/** What a header says of a picture. */
export interface RasterHead {
  readonly width: number
  readonly height: number
  /** 1 gray, 2 gray and alpha, 3 RGB, 4 RGB and alpha. */
  readonly channels: number
  /** Values are in 0..65535 in place of 0..255. */
  readonly deep: boolean
}

export interface Raster extends RasterHead {
  /** Pixel by pixel. */
  readonly pixels: Uint8Array | Uint16Array
}

/** Sides and pixels that a picture may have: as libvips and TIFF have it, and so that an image fits a typed array. */
export const possible = ({ width, height, channels }: Pick<RasterHead, 'width' | 'height' | 'channels'>): boolean =>
  width > 0 && height > 0 && width * height * channels <= 2 ** 30
