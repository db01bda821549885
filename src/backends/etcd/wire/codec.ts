import { Buffer } from 'node:buffer';

// The part of protobuf's wire format that etcd's messages need: numbers as varints, and what has a length before it.

const varint = 0;
const fixed64 = 1;
const delimited = 2;
const fixed32 = 5;

/** Text that may also be bytes: the end of a range need not be well-formed text. */
export type Text = string | Uint8Array;

interface Field<In, Out> {
  readonly number: number;
  readonly write: (writer: Writer, value: In) => void;
  readonly read: (reader: Reader, before: unknown) => Out;
  readonly initial: () => Out;
}

type Fields = Readonly<Record<string, Field<never, unknown>>>;

type Input<F extends Fields> = { readonly [K in keyof F]?: F[K] extends Field<infer In, unknown> ? In | undefined : never };
type Output<F extends Fields> = { readonly [K in keyof F]: F[K] extends Field<never, infer Out> ? Out : never };

/** One kind of message: fields that are left out are not written; fields that were not sent have their zero. */
export class Message<In, Out> {
  readonly #fields: readonly (readonly [string, Field<unknown, unknown>])[];
  readonly #byNumber: ReadonlyMap<number, readonly [string, Field<unknown, unknown>]>;

  constructor(fields: Fields) {
    this.#fields = Object.entries(fields) as unknown as readonly (readonly [string, Field<unknown, unknown>])[];
    this.#byNumber = new Map(this.#fields.map((entry) => [entry[1].number, entry]));
  }

  encode(value: In): Buffer {
    const writer = new Writer();
    this.write(writer, value);
    return writer.bytes();
  }

  decode(bytes: Uint8Array): Out {
    return this.read(new Reader(bytes), bytes.length);
  }

  write(writer: Writer, value: In): void {
    const values = value as Record<string, unknown>;
    for (const [name, field] of this.#fields) {
      const one = values[name];
      if (one !== undefined) field.write(writer, one);
    }
  }

  read(reader: Reader, end: number): Out {
    const values: Record<string, unknown> = {};
    for (const [name, field] of this.#fields) values[name] = field.initial();
    while (reader.position < end) {
      const tag = reader.varint();
      const known = this.#byNumber.get(tag >>> 3);
      if (known === undefined) reader.skip(tag & 7);
      else values[known[0]] = known[1].read(reader, values[known[0]]);
    }
    return values as Out;
  }
}

export function message<F extends Fields>(fields: F): Message<Input<F>, Output<F>> {
  return new Message(fields);
}

/** Signed or not: etcd sends no negative numbers that matter here, and a revision stays far below 2^53. */
export function int(number: number): Field<number, number> {
  return {
    number,
    write(writer, value) {
      writer.tag(number, varint);
      writer.varint(value);
    },
    read: (reader) => reader.varint(),
    initial: () => 0,
  };
}

/** A number that another client has chosen among all of 64 bits, such as the lease of another library's lock. */
export function int64(number: number): Field<bigint, bigint> {
  return {
    number,
    write(writer, value) {
      writer.tag(number, varint);
      writer.varint64(value);
    },
    read: (reader) => reader.varint64(),
    initial: () => 0n,
  };
}

/** A number of 64 random bits, such as a member's: as hexadecimal text, as etcdctl shows it. */
export function id(number: number): Field<never, string> {
  return { number, write: () => {}, read: (reader) => reader.varint64().toString(16), initial: () => '0' };
}

export function bool(number: number): Field<boolean, boolean> {
  return {
    number,
    write(writer, value) {
      writer.tag(number, varint);
      writer.varint(value ? 1 : 0);
    },
    read: (reader) => reader.varint() !== 0,
    initial: () => false,
  };
}

export function text(number: number): Field<Text, string> {
  return {
    number,
    write(writer, value) {
      writer.tag(number, delimited);
      writer.text(value);
    },
    read: (reader) => reader.text(),
    initial: () => '',
  };
}

export function nested<In, Out>(number: number, of: Message<In, Out> | (() => Message<In, Out>)): Field<In, Out | undefined> {
  const kind = () => (typeof of === 'function' ? of() : of);
  return {
    number,
    write(writer, value) {
      writer.tag(number, delimited);
      writer.delimited(() => kind().write(writer, value));
    },
    read: (reader) => reader.delimited((end) => kind().read(reader, end)),
    initial: () => undefined,
  };
}

/** A list. (Numbers are sent one by one, which every server reads; none that is read here has any.) */
export function repeated<In, Out>(field: Field<In, Out>): Field<readonly In[], readonly Exclude<Out, undefined>[]> {
  return {
    number: field.number,
    write(writer, values) {
      for (const value of values) field.write(writer, value);
    },
    read(reader, before) {
      const list = before as Exclude<Out, undefined>[];
      list.push(field.read(reader, undefined) as Exclude<Out, undefined>);
      return list;
    },
    initial: () => [],
  };
}

class Writer {
  #buffer = Buffer.allocUnsafe(512);
  #position = 0;

  bytes(): Buffer {
    return this.#buffer.subarray(0, this.#position);
  }

  tag(number: number, wireType: number): void {
    this.varint(number * 8 + wireType);
  }

  varint(value: number): void {
    this.#room(10);
    let rest = value;
    while (rest > 0x7f) {
      this.#buffer[this.#position++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#buffer[this.#position++] = rest;
  }

  varint64(value: bigint): void {
    this.#room(10);
    let rest = value;
    while (rest > 0x7fn) {
      this.#buffer[this.#position++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.#buffer[this.#position++] = Number(rest);
  }

  text(value: Text): void {
    const bytes = typeof value === 'string' ? Buffer.byteLength(value) : value.length;
    this.varint(bytes);
    this.#room(bytes);
    if (typeof value === 'string') this.#buffer.write(value, this.#position, 'utf8');
    else this.#buffer.set(value, this.#position);
    this.#position += bytes;
  }

  /** Its length is known afterwards: one byte is kept free for it, and what was written moves where it needs more. */
  delimited(write: () => void): void {
    this.#room(1);
    const start = ++this.#position;
    write();
    const length = this.#position - start;
    const more = length < 0x80 ? 0 : length < 0x4000 ? 1 : length < 0x200000 ? 2 : 3;
    this.#room(more);
    this.#buffer.copyWithin(start + more, start, this.#position);
    this.#position = start - 1;
    this.varint(length);
    this.#position += length;
  }

  #room(bytes: number): void {
    if (this.#position + bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#position + bytes));
    this.#buffer.copy(larger, 0, 0, this.#position);
    this.#buffer = larger;
  }
}

class Reader {
  position = 0;
  readonly #bytes: Buffer;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  varint(): number {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = this.#byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) break;
      scale *= 0x80;
    }
    // Ten bytes for minus one: etcd says so of a lease that it does not have.
    return value >= 2 ** 63 ? value - 2 ** 64 || -1 : value;
  }

  varint64(): bigint {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.#byte();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  }

  text(): string {
    return this.delimited((end) => {
      const found = this.#bytes.toString('utf8', this.position, end);
      this.position = end;
      return found;
    });
  }

  delimited<T>(read: (end: number) => T): T {
    const end = this.varint() + this.position;
    if (end > this.#bytes.length) throw new RangeError('the message ends before its fields do');
    return read(end);
  }

  /** A field that is not known here. */
  skip(wireType: number): void {
    if (wireType === varint) this.varint64();
    else if (wireType === delimited) this.position = this.varint() + this.position;
    else if (wireType === fixed64) this.position += 8;
    else if (wireType === fixed32) this.position += 4;
    else throw new RangeError(`the message has a field of the unknown wire type ${wireType}`);
  }

  #byte(): number {
    const byte = this.#bytes[this.position++];
    if (byte === undefined) throw new RangeError('the message ends within a number');
    return byte;
  }
}
