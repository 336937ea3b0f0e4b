import { BlockList, isIP } from 'node:net';

/** IPv4 that is not the public Internet (IANA special-purpose registry), and the metadata address that Azure has outside of it. */
const special4 = list('ipv4', [
  '0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.0.0.0/24', '192.0.2.0/24',
  '192.88.99.0/24', '192.168.0.0/16', '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24', '224.0.0.0/4', '240.0.0.0/4', '168.63.129.16/32',
]);
/** IPv6 is public in here alone: mapped, NAT64, link-local and unique local addresses lie outside … */
const global6 = list('ipv6', ['2000::/3']);
/** … and these lie inside: protocol assignments with Teredo, documentation, 6to4. */
const special6 = list('ipv6', ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20']);

/** Whether an address belongs to the public Internet, as far as its number can say. */
export function isPublicAddress(address: string): boolean {
  if (isIP(address) === 4) return !special4.check(address, 'ipv4');
  return isIP(address) === 6 && !address.includes('%') && global6.check(address, 'ipv6') && !special6.check(address, 'ipv6');
}

function list(family: 'ipv4' | 'ipv6', networks: readonly string[]): BlockList {
  const addresses = new BlockList();
  for (const network of networks) {
    const [net, prefix] = network.split('/');
    addresses.addSubnet(net, Number(prefix), family);
  }
  return addresses;
}
