import { InvalidArgumentError } from '../../../core/errors.js';
import type { memberListResponse, Out } from '../wire/messages.js';

type Members = Out<typeof memberListResponse>['members'];

/** Name of a member → name of the availability zone that it is in. */
export type Zones = Readonly<Record<string, string>>;

/**
 * An entry is acknowledged by a majority of the voting members. If a majority is in one zone, that zone alone can acknowledge what is lost with it.
 *
 * @throws InvalidArgumentError
 */
export function checkZones(zones: Zones, members: Members): void {
  const unmapped = members.filter(({ name }) => !isZone(Object.hasOwn(zones, name) ? zones[name] : undefined));
  if (unmapped.length > 0) {
    const names = unmapped.map(({ name, peerUrls }) =>
      name === '' ? `the one at ${peerUrls.join(', ')}, which has not started yet` : `"${name}"`,
    );
    throw new InvalidArgumentError(
      `consensusLog: zones says nothing of a member of this cluster: ${names.join(', ')}; say in which zone it is: zones: { NAME: 'ZONE', … }`,
    );
  }
  const voters = members.filter(({ isLearner }) => !isLearner);
  const majority = Math.floor(voters.length / 2) + 1;
  const inZone = new Map<string, string[]>();
  for (const { name } of voters) {
    const zone = zones[name] as string;
    inZone.set(zone, [...(inZone.get(zone) ?? []), name]);
  }
  for (const [zone, names] of inZone) {
    if (names.length < majority) continue;
    throw new InvalidArgumentError(
      `consensusLog: ${names.length} of ${voters.length} voting members are in zone "${zone}" (${names.join(', ')}): they acknowledge entries alone, and take them along when the zone is lost; ` +
        'spread the members over three zones or more, so that none has a majority',
    );
  }
}

function isZone(zone: unknown): boolean {
  return typeof zone === 'string' && zone !== '';
}
