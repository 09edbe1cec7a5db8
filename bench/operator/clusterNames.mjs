// Loaded into the operator with --import: the names of Services, which nobody resolves without a cluster's DNS, lead to the
// loopback address, where the benchmark answers for every licence server.
import dns from 'node:dns';

const lookup = dns.lookup;
dns.lookup = (name, options, callback) => {
  const [given, done] = typeof options === 'function' ? [{}, options] : [options ?? {}, callback];
  if (!name.endsWith('.svc')) return lookup(name, given, done);
  const answer = { address: '127.0.0.1', family: 4 };
  process.nextTick(() => (given.all ? done(null, [answer]) : done(null, answer.address, answer.family)));
  return {};
};
