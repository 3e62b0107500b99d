import { Fault } from '@zerotouch/foundation/fault';

export type FleetFaultCode =
  /** The spec is no YAML, or says what a fleet cannot do. */
  | 'FLEET_SPEC'
  /** A scenario that this fleet cannot live through: it lasts too long, or finds too few devices. */
  | 'SCENARIO_UNFIT'
  /** The batch spec that a fleet burns from cannot be read. */
  | 'BATCH_UNREADABLE'
  /** A fleet of a queue cannot burn: keys do not go over it. */
  | 'BURN_HERE'
  /** A folder or image that the spec names is not there, or cannot be used. */
  | 'IMAGES_MISSING'
  | 'IMAGE_UNUSABLE'
  /** Two images hold the same registration id. */
  | 'IMAGE_TWICE'
  /** The machine does not allow as many open files, or as many ports. */
  | 'TOO_FEW_DESCRIPTORS'
  | 'TOO_FEW_PORTS'
  /** The runtime that was asked for is not installed. */
  | 'RUNTIME_MISSING'
  /** A process of the fleet ended before its devices did. */
  | 'SHARD_LOST'
  /** A fleet's way to an endpoint that is not this machine was not confirmed. */
  | 'NOT_CONFIRMED'
  /** The queue's address cannot be read; it does not answer; it refuses to work. */
  | 'QUEUE_ADDRESS'
  | 'QUEUE_UNREACHABLE'
  | 'QUEUE_UNUSABLE'
  /** A worker and a fleet are of different versions. */
  | 'WORKER_VERSION'
  /** A worker sees other images than who submitted the fleet. */
  | 'IMAGES_DIFFER'
  /** The live view's or the metrics' port cannot be listened on. */
  | 'PORT_IN_USE'
  /** Traces can go neither there nor to such an address. */
  | 'BAD_TRACE'
  /** A report cannot be read, or is none; it cannot be written. */
  | 'REPORT_UNUSABLE'
  | 'REPORT_UNWRITABLE';

/** What keeps a fleet from being powered on. */
export class FleetFault extends Fault<FleetFaultCode> {}
