/** What was given, small: the first photo fills the frame, the others of the same plant stand in a row. */

export interface PreviewView {
  readonly frame: HTMLElement;
  readonly first: HTMLImageElement;
  readonly others: HTMLElement;
  /** Shown while there is no photo. */
  readonly invitation: HTMLElement;
  /** Shown when there is one. */
  readonly another: HTMLElement;
}

export class Previews {
  constructor(private readonly view: PreviewView) {}

  /** @param at which of the plant's photos, from 0 */
  show(photo: Blob, at: number): void {
    const { first, others } = this.view;
    const src = URL.createObjectURL(photo);
    if (at > 0) {
      others.append(Object.assign(document.createElement("img"), { src, alt: "" }));
      return;
    }
    this.forgetOthers();
    if (first.src) URL.revokeObjectURL(first.src);
    first.src = src;
    this.fill(true);
  }

  hide(): void {
    this.forgetOthers();
    this.fill(false);
  }

  private fill(filled: boolean): void {
    const { frame, first, invitation, another } = this.view;
    first.hidden = another.hidden = !filled;
    invitation.hidden = filled;
    frame.classList.toggle("filled", filled);
  }

  private forgetOthers(): void {
    const { others } = this.view;
    for (const image of others.querySelectorAll("img")) URL.revokeObjectURL(image.src);
    others.replaceChildren();
  }
}
