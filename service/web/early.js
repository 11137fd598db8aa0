// Which view the address asks for, said before anything is painted: nothing jumps when app.js has come.
{
  const given = new URLSearchParams(location.search);
  const asks = given.get("q")?.trim() || given.has("like") || given.has("picture");
  const view = given.get("view");
  document.body.dataset.view = view === "cases" || view === "gallery" ? view : asks ? "results" : "start";
}
