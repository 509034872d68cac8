-- Announces as a tracker gets them: a thousand swarms, many peers, every fourth a seeder.
-- The hashes are those that tracker.sh puts on the other tracker's whitelist: the number, 40 hex digits.
local swarms = 1000
local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  refused = 0
  hashes = {}
  for number = 1, swarms do
    hashes[number] = string.format("%040x", number):gsub("..", "%%%0")
  end
end

function request()
  local left = math.random(4) == 1 and 0 or 1000
  return wrk.format("GET", string.format(
    "/announce?info_hash=%s&peer_id=-TT0001-%012d&port=%d&uploaded=0&downloaded=0&left=%d&numwant=50&compact=1",
    hashes[math.random(swarms)], math.random(1000000), math.random(1024, 65535), left))
end

-- Wrong answers must not look fast. Looking costs wrk its speed, so it is done in a run of its own.
if os.getenv("CHECK") then
  function response(status, headers, body)
    if status ~= 200 or not body:find("5:peers", 1, true) then refused = refused + 1 end
  end
end

function done(summary, latency)
  local wrong = 0
  for _, thread in ipairs(threads) do wrong = wrong + thread:get("refused") end
  io.write(string.format("requests=%d seconds=%.3f p50_ms=%.3f p99_ms=%.3f refused=%d\n",
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, wrong))
end
