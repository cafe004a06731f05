-- Sends the requests of a file in turn (each line: secret and path); counts answers other than 200 and 204.
local threads = {}

function setup(thread)
  thread:set("number", #threads)
  table.insert(threads, thread)
end

function init(args)
  requests, bad, at = {}, 0, 0
  for line in io.lines(args[1]) do
    local secret, path = line:match("(%S+) (%S+)")
    requests[#requests + 1] = wrk.format("GET", path, {["Authorization"] = "Bearer " .. secret})
  end
  at = math.floor(#requests * number / 2)
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function response(status)
  if status ~= 200 and status ~= 204 then bad = bad + 1 end
end

function done(summary, latency)
  local bad = 0
  for _, thread in ipairs(threads) do bad = bad + thread:get("bad") end
  local errors = summary.errors
  io.write(string.format('\nRESULT {"requests": %d, "seconds": %f, "bad": %d, "p50_ms": %f, "p99_ms": %f}\n',
    summary.requests, summary.duration / 1e6, bad + errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
