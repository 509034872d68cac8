-- Agents of many sites that join swarms, through a trusted proxy: each of them once, in a shuffled order. With AGAIN,
-- they announce again and again instead, as gateways. They are told the map's networks once. Numbers come from herd.py by
-- the environment.
local sites = tonumber(os.getenv("SITES"))
local swarms = tonumber(os.getenv("SWARMS"))
local again = os.getenv("AGAIN")
local threads = {}

-- wrk runs for as long as it was told; what is measured ends with the last answer
local ffi = require("ffi")
ffi.cdef("typedef struct { long sec; long usec; } moment; int gettimeofday(moment *at, void *zone);")
local moment = ffi.new("moment")

local function seconds()
  ffi.C.gettimeofday(moment, nil)
  return tonumber(moment.sec) + tonumber(moment.usec) / 1e6
end

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  wrong, answered, sent, stopped, first, last, version = 0, 0, 0, false, seconds(), 0, "0"
  math.randomseed(16)
  all = {}
  for site = 1, sites - 1 do
    for swarm = 1, swarms do
      all[#all + 1] = site * 64 + swarm
    end
  end
  for i = #all, 2, -1 do
    local j = math.random(i)
    all[i], all[j] = all[j], all[i]
  end
  hash = string.rep("%01", 19)
end

function request()
  sent = sent + 1
  local one = all[(sent - 1) % #all + 1]
  local site, swarm = math.floor(one / 64), one % 64
  local left = again and 900000000 or 1000000000
  return wrk.format("GET", string.format(
    "/announce?info_hash=%s%%%02x&peer_id=-NW0100-%012d&port=6881&uploaded=0&downloaded=0&left=%d&compact=1&narrows=1" ..
    "&agent=agent-%04d&key=%08x%s&wan=%d&networks=%s", hash, swarm, site, left, site, site,
    again and "&role=gateway" or "&event=started", again and 100000000 or 0,
    (again or swarm > 1) and version or "0"),
    { ["X-Forwarded-For"] = string.format("10.%d.%d.1", math.floor(site / 256), site % 256) })
end

-- Wrong answers must not look fast: a refusal, or a newcomer that is handed no peer of another site.
function response(status, headers, body)
  answered = answered + 1
  last = seconds()
  version = body:match("7:versioni(%d+)e") or version
  if status ~= 200 or body:find("failure reason", 1, true) or body:find("8:upstream0:", 1, true)
      or not body:find("8:upstream", 1, true) then
    wrong = wrong + 1
  end
  if not again and answered >= #all and not stopped then
    stopped = true
    wrk.thread:stop()
  end
end

function done(summary, latency)
  local wrong, answered, took = 0, 0, 0
  for _, thread in ipairs(threads) do
    wrong = wrong + thread:get("wrong")
    answered = answered + thread:get("answered")
    took = math.max(took, thread:get("last") - thread:get("first"))
  end
  io.write(string.format("answered=%d seconds=%.3f p50_ms=%.2f p99_ms=%.2f max_ms=%.2f unfed=%d\n",
    answered, took, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    latency.max / 1e3, wrong))
end
