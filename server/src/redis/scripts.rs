//! The scripts that run inside Redis: each is one atomic step on the keys of one room.
//!
//! A room's keys: `meta` (hash: `e` epoch, `h` newest entry, `o` entries trimmed up to, `r` the Redis process it was
//! last written on, `p` 1 if another life came before; it expires while the room was never used), `log` (stream, the entry with number n has the id `n-0`), `keys` (hash: what is in the log once,
//! and where), `gone` (hash: numbers whose entry was redacted, and its key). A partition's: `queue` and `dead` (streams), `index` (rooms that
//! have entries, by the time from which on the sweep looks at them).

use redis::Script;
use std::sync::LazyLock;

/// Finds the room's life, or begins one: where there is none, where it lost its end, or where Redis may have lost it.
/// `seen_e`, `seen_h`: the newest entry the caller knows; `run`: the Redis process, after a '!' where its restart or its
/// successor may have lost entries.
const LIFE: &str = r"
local now, seen_e, seen_h, room = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[5]
local strict, run = string.sub(ARGV[4], 1, 1) == '!', string.gsub(ARGV[4], '!', '')
local m = redis.call('HMGET', KEYS[1], 'e', 'h', 'o', 'r', 'p')
local e, h, o, p = tonumber(m[1]), tonumber(m[2]), tonumber(m[3]), tonumber(m[5]) or 0
local lost = not e or seen_e > e or (seen_e == e and seen_h > h) or (strict and m[4] and m[4] ~= '' and m[4] ~= run)
local function anew()
  e, h, o, p = math.max(now, (e or 0) + 1, seen_e + 1), 0, 0, e and 1 or 0
  redis.call('DEL', KEYS[2], KEYS[3], KEYS[4])
  redis.call('HSET', KEYS[1], 'e', string.format('%.0f', e), 'h', 0, 'o', 0, 'r', run, 'p', p)
  redis.call('PEXPIRE', KEYS[1], 600000)
  redis.call('ZREM', KEYS[5], room)
end
if lost then anew() end
";

/// ARGV 6: the key that makes it a repetition, or empty; 7: the entry; 8: '1' for what belongs into the life it was
/// meant for: another one may have forgotten that it is stored; 9: the entry's time. KEYS 6: the queue.
const APPEND: &str = r"
if ARGV[8] == '1' and seen_e > 0 and seen_e ~= e then return {string.format('%.0f', e), '0', 'moved', ''} end
if ARGV[6] ~= '' then
  local known = redis.call('HGET', KEYS[3], ARGV[6])
  if known then
    local stored = redis.call('XRANGE', KEYS[2], known .. '-0', known .. '-0')
    return {string.format('%.0f', e), known, 'known', stored[1] and stored[1][2][2] or ''}
  end
end
h = h + 1
local seq = string.format('%.0f', h)
redis.call('XADD', KEYS[2], seq .. '-0', 'v', ARGV[7])
if ARGV[6] ~= '' then redis.call('HSET', KEYS[3], ARGV[6], seq) end
redis.call('XADD', KEYS[6], '*', 'room', room, 'epoch', string.format('%.0f', e), 'seq', seq, 'v', ARGV[7])
redis.call('HSET', KEYS[1], 'h', seq, 'r', run)
if h == 1 then redis.call('PERSIST', KEYS[1]) end
if h == o + 1 or not redis.call('ZSCORE', KEYS[5], room) then redis.call('ZADD', KEYS[5], ARGV[9], room) end
return {string.format('%.0f', e), seq, 'new', ''}
";

const STATE: &str = r"
return {string.format('%.0f', e), string.format('%.0f', h), string.format('%.0f', o), p}
";

/// ARGV 6: the life whose entries are missing; 7: '1' to begin anew in any case; 8: the first number missing, which may
/// have been trimmed meanwhile.
const WIPE: &str = r"
if not lost and (ARGV[7] == '1' or (tonumber(ARGV[6]) == e and tonumber(ARGV[8]) > o)) then anew() end
return {string.format('%.0f', e), string.format('%.0f', h), string.format('%.0f', o), p}
";

/// ARGV 6: the last number to go; 7: the life it is of; 8...: the keys of what goes.
const TRIM: &str = r"
local upto = math.min(tonumber(ARGV[6]), h)
if tonumber(ARGV[7]) == e and upto > o then
  redis.call('XTRIM', KEYS[2], 'MINID', string.format('%.0f-0', upto + 1))
  redis.call('HSET', KEYS[1], 'o', string.format('%.0f', upto))
  for i = 8, #ARGV do redis.call('HDEL', KEYS[3], ARGV[i]) end
  for n = o + 1, upto do
    local seq = string.format('%.0f', n)
    local key = redis.call('HGET', KEYS[4], seq)
    if key then redis.call('HDEL', KEYS[3], key); redis.call('HDEL', KEYS[4], seq) end
  end
end
if tonumber(ARGV[7]) == e and math.max(upto, o) == h then redis.call('ZREM', KEYS[5], room) end
return 1
";

/// ARGV 6: the key of the message.
const REDACT: &str = r"
local known = redis.call('HGET', KEYS[3], ARGV[6])
if known then
  redis.call('HSET', KEYS[4], known, ARGV[6])
  redis.call('XDEL', KEYS[2], known .. '-0')
end
return 1
";

fn script(step: &str) -> Script {
    Script::new(&format!("{LIFE}{step}"))
}

/// Appends: answers epoch, number, `new`, `known` or `moved`, and the entry that was known.
pub(super) static APPEND_SCRIPT: LazyLock<(Script, String)> =
    LazyLock::new(|| (script(APPEND), format!("{LIFE}{APPEND}")));
/// Answers epoch, newest, trimmed up to, whether another life came before.
pub(super) static STATE_SCRIPT: LazyLock<Script> = LazyLock::new(|| script(STATE));
/// Begins a new life.
pub(super) static WIPE_SCRIPT: LazyLock<Script> = LazyLock::new(|| script(WIPE));
/// Trims.
pub(super) static TRIM_SCRIPT: LazyLock<Script> = LazyLock::new(|| script(TRIM));
/// Redacts.
pub(super) static REDACT_SCRIPT: LazyLock<Script> = LazyLock::new(|| script(REDACT));

/// Moves an entry from the queue to the dead letters. KEYS: queue, dead, trouble. ARGV: id, now, attempts, first error,
/// last error, group.
pub(super) static BURY_SCRIPT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local found = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])
if redis.call('XACK', KEYS[1], ARGV[6], ARGV[1]) == 1 and found[1] then
  redis.call('XADD', KEYS[2], '*', 'at', ARGV[2], 'attempts', ARGV[3], 'first', ARGV[4], 'last', ARGV[5], 'payload', cjson.encode(found[1][2]))
end
redis.call('HDEL', KEYS[3], ARGV[1])
return 1
",
    )
});

/// Puts a dead letter back into the queue. KEYS: queue, dead. ARGV: id. Answers whether there was one.
pub(super) static REPLAY_SCRIPT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local found = redis.call('XRANGE', KEYS[2], ARGV[1], ARGV[1])
if not found[1] then return 0 end
local fields = found[1][2]
for i = 1, #fields, 2 do
  if fields[i] == 'payload' then redis.call('XADD', KEYS[1], '*', unpack(cjson.decode(fields[i + 1]))) end
end
redis.call('XDEL', KEYS[2], ARGV[1])
return 1
",
    )
});
