/** What a connection is made to speak; `either` and `carried` (carried.ts, else HTTP/1.1) let the peer choose by ALPN. */
export type Speaks = 'http1' | 'http2' | 'either' | 'carried';
