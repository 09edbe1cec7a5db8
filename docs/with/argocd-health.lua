-- Health of a LicenceServer for Argo CD: resource.customizations.health.licensing.softonit.ru_LicenceServer
local function health(status, message)
  return { status = status, message = message }
end

if obj.metadata.deletionTimestamp ~= nil then
  return health("Progressing", "it is being deleted")
end
if obj.status == nil or obj.status.conditions == nil or obj.status.observedGeneration ~= obj.metadata.generation then
  return health("Progressing", "the operator has not looked at it yet")
end

local conditions = {}
for _, condition in ipairs(obj.status.conditions) do
  conditions[condition.type] = condition
end
local function holds(name)
  return conditions[name] ~= nil and conditions[name].status == "True"
end
local function message(name)
  return conditions[name] ~= nil and conditions[name].message or ""
end

if holds("Stalled") then
  return health("Degraded", message("Stalled"))
end
if holds("Ready") then
  return health(holds("Suspended") and "Suspended" or "Healthy", message("Ready"))
end
return health("Progressing", message("Ready"))
