/** How a bucket is reached. */
export interface Bucket {
  /** `https://s3.example.org`; without the bucket. */
  readonly endpoint: string;
  readonly region: string;
  readonly bucket: string;
  /** Before each name; empty, or with a slash at its end. */
  readonly prefix: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** The bucket's name is part of the path, not of the host. */
  readonly pathStyle: boolean;
}
