/** The ways photos come in: chosen, taken, dropped anywhere on the page, pasted. */

/** The photos among files: those said to be some, else those of no stated type; where there is none, one file to say so of. */
function photosAmong(files: FileList | null | undefined): File[] {
  const all = Array.from(files ?? []);
  const images = all.filter(({ type }) => type.startsWith("image/"));
  const photos = images.length > 0 ? images : all.filter(({ type }) => type === "");
  return photos.length > 0 ? photos : all.slice(0, 1);
}

/** `take` hears of every gift of one photo or more; `frame` shows that a file held over the page may be dropped. */
export function hearPhotos(input: HTMLInputElement, frame: HTMLElement, take: (photos: readonly Blob[]) => void): void {
  const hear = (files: FileList | null | undefined) => {
    const photos = photosAmong(files);
    if (photos.length > 0) take(photos);
  };
  input.addEventListener("change", () => {
    hear(input.files);
    input.value = "";
  });
  document.addEventListener("paste", (event) => hear(event.clipboardData?.files));
  for (const kind of ["dragenter", "dragover"]) {
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      frame.classList.add("over");
    });
  }
  document.addEventListener("dragleave", (event) => {
    if (!(event as DragEvent).relatedTarget) frame.classList.remove("over");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    frame.classList.remove("over");
    hear(event.dataTransfer?.files);
  });
}
