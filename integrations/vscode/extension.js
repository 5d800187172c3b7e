// Starts the language server for YAML and JSON.
"use strict";
const { workspace } = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

let client;

exports.activate = () => {
  const settings = workspace.getConfiguration("nfs-mount-guard");
  const server = { command: settings.get("command"), args: ["lsp", ...settings.get("arguments")] };
  const documentSelector = ["yaml", "json"].map((language) => ({ language }));
  client = new LanguageClient("nfs-mount-guard", "nfs-mount-guard", server, { documentSelector });
  return client.start();
};

exports.deactivate = () => client && client.stop();
