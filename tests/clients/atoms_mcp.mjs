// Drives the unmodified Smallest MCP server over stdio with the MCP client that it depends on, against a controller on
// loopback. Prints one JSON object with what each tool said.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import path from "node:path";

const modules = process.env.CLIENTS;
const require = createRequire(path.join(modules, "package.json"));
const load = async (name) => import(pathToFileURL(require.resolve(name)).href);
const { Client } = await load("@modelcontextprotocol/sdk/client/index.js");
const { StdioClientTransport } = await load("@modelcontextprotocol/sdk/client/stdio.js");

const server = path.join(modules, "node_modules/@developer-smallestai/smallest-mcp-server/dist/index.js");
const transport = new StdioClientTransport({
  command: process.execPath,
  args: [server],
  env: { ATOMS_API_KEY: process.env.KEY, ATOMS_API_URL: `${process.env.BASE}/atoms/v1`, PATH: process.env.PATH },
  stderr: "ignore",
});
const client = new Client({ name: "test", version: "1" });
await client.connect(transport);

const out = {};
const call = async (name, args) => {
  const answer = await client.callTool({ name, arguments: args });
  const text = answer.content[0].text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
};
const find = (list) => list.find((branch) => branch.isLive) ?? list[0];

out.tools = (await client.listTools()).tools.length;
const created = await call("create_agent", { name: "From MCP", global_prompt: "You are Ada." });
const agent_id = created.agentId;
out.created = created.message;
out.updated = await call("update_agent", { agent_id, prompt: "Be kind.", first_message: "Hello", name: "MCP agent" });
out.tool = await call("add_agent_tool", {
  agent_id, name: "lookup", description: "Looks an order up", url: "https://shop.example.com/orders", method: "GET",
});
out.actions = await call("configure_call_actions", { agent_id, end_call: true, end_call_enabled: true });
out.draft = await call("get_branch_draft", { agent_id });
out.published = await call("publish_draft", { agent_id, label: "From MCP" });
out.agent = await call("get_agent", { agent_id });
out.prompt = await call("get_agent_prompt", { agent_id });
out.branch = await call("create_branch", { agent_id, name: "mcp branch" });
const branch_id = out.branch.branchId;
out.choose = await call("update_agent", { agent_id, prompt: "Which?" });
out.onBranch = await call("update_agent", { agent_id, branch_id, prompt: "Be brief." });
const listed = await call("list_branches", { agent_id });
out.listed = listed;
const main = find(listed.branches ?? listed).branchId;
out.revisions = await call("list_revisions", { agent_id, branch_id: main });
out.revision = await call("get_revision", { agent_id, branch_id: main, revision_id: out.revisions.revisions[0].revisionId });
out.diff = await call("diff", { agent_id, a: out.revisions.revisions[0].revisionId, b: `${branch_id}:draft` });
out.branchPublished = await call("publish_draft", { agent_id, branch_id });
out.live = await call("make_branch_live", { agent_id, branch_id });
out.renamed = await call("rename_branch", { agent_id, branch_id, name: "mcp two" });
out.deleteLive = await call("delete_branch", { agent_id, branch_id });
await call("make_branch_live", { agent_id, branch_id: main });
await call("update_agent", { agent_id, branch_id, prompt: "Never." });
out.discarded = await call("publish_draft", { agent_id, branch_id, action: "discard" });
out.deleted = await call("delete_branch", { agent_id, branch_id });
out.agents = await call("get_agents", {});
out.testAgent = await call("test_agent", { agent_id });
out.unknown = await call("get_agent", { agent_id: "0123456789abcdef01234567" });
await client.close();
console.log(JSON.stringify(out));
