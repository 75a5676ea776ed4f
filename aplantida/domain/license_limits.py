"""What no name in a licence text may hold: words that limit, forbid, end a licence or point elsewhere.

Where a word is a surname in a longer form (Cancela, Retiro, Vainio), it is listed whole and not as a stem.
"Kun", "null" or "bruk" are names as they stand: what stands beside them in a limit is listed.
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# What the words of a name may not be, and what they may not hold: words that limit, forbid or point elsewhere.
NO_NAME_WORDS = _words(
    """
    no not non nor never none without except excluding unless only but for solo lucro lucre solamente unicamente salvo
    excepto pero sauf seulement uniquement sin sem sans senza sense nicht kein keine keinen ohne ausser aber pas ni nao
    nem para pour fur fuer zum zur uso usos use uses used usage using utilizar utilizacion utilisation utilizacao
    utilizzo utilitzacio nutzung gebrauch verwendung sale sell selling venta ventas vender vente verkauf vendita venda
    purpose purposes fines fins zweck zwecke personal personale personnel pessoal personlich personlichen individual
    propio editorial academic academico academica academique akademisch accademico research investigacion recherche
    ricerca pesquisa recerca forschung school schule schulen classroom aula clase class students student terms terminos
    termini termes termos tos policy legal conditions right rights recht rechte request contact kontakt contacto
    contactar ask preguntar pregunte pregunta consultar consulte pedir pida solicitar solicite escribir escriba write
    mail email correo avisar avise notify inform antes before first primero prima vorher avant perguntar pergunte
    chiedere chiedi demander demandez fragen anfrage nachfragen approval zustimmung accord consenso maybe quiza unknown
    unclear free libre frei gratis ai ia training mining scraping internal interno interne press prensa presse see
    website web site page siehe voir vedi veja consultar info warning attention atencion achtung by cc nc nd sa npc
    nderivs ensino learning lernen escolar colegio estudiantes familiar domestico domestic particular previo previa
    aviso gratuito demo trial test temporal temporary paid pago fee charge business negocio negocios empresa empresas
    animo anim change changes changed cambio cambios canvis changements mudancas cropping alter altered alteration
    alterations terceros third niet geen ikke icke ingen bez brez bukan tanpa khong keeld eesmark add thuong vain
    kaytto kayttoon tylko uzytku eget personlig aftale avtale afspraak luvalla cancel cancelled canceled cancelada
    cancelado cancellation cancelacion cancelamento cancelling void voided voiding nulled nullified annulled annule
    annulee annullata annullato removed remove removal deleted deletion denied refused rejected declined retired retire
    retiree retirada retirado retirement retrait ritirata ritirato lapsed replaced discontinued suspended former
    formerly previously deprecated outdated obsoleto aufgehoben erloschen beendet ersetzt veraltet geloscht scaduta
    scaduto perime perimee supprime supprimee resilie resiliee eliminada eliminado borrada borrado derogada derogado
    sustituida sustituido removida removido substituida substituido factura facture fattura rechnung bezahlung zahlung
    vereinbarung absprache einladung paiement pagamento betaling commande pedido order quotation quote purchasing
    membership registration application donation deposit
    ended stopped halted ceased frozen withheld blocked locked closed paused barred disputed disabled
    ausgesetzt eingestellt ausgelaufen gestrichen sospesa sospeso negada negado negata negato respinta respinto
    cerrada encerrada encerrado concluida concluido conclusa concluso echu echue cesada cesado acabada acabado
    acabat attente denegada denegado denegat denegacion denegacao denegacio termine terminee termines terminees
    bloque bloquee bloques bloquees pending pendent pendents pendente pendentes pendenti retirat retirats
    suspes suspesa suspesos sospesi sospese provisional provisoire provisorio provisoria
    refus refuse refuses refusee refusees refuser refusal refusals refusing rejet rejete rejetes rejetee rejetees
    rejeter rejets suspens suspensa suspensas suspenso suspensos suspension suspensions suspensio suspensao suspense
    repealed abrogated abolished recalled waived dissolved draft drafts quashed overturned vacated forfeited
    relinquished expunged entzogen zuruckgenommen eingezogen beendigt angefochten untersagt hinfallig nichtig verfallen
    entwurf interrumpida interrumpido interrompue interrompu interrompida interrompido interrompuda interrotta
    interrotto abrogee abroge abrogata abrogato abrogada abrogado revogada revogado decaduta decaduto dissoute dissous
    agotada agotado esgotada esgotado exhaurida borrador rascunho esborrany brouillon suprimida suprimido desestimada
    ingetrokken opgeheven verlopen geweigerd geschorst opgezegd aterkallad aterkallat upphavd upphort opsagt
    tilbagekaldt tilbagetrukket ophaevet udlobet tilbakekalt oppsagt opphevet utlopt peruttu kumottu rauennut wygasla
    wygasl odwolana odwolany cofnieta uniewazniona zruseno zrusena zrusen neplatna neplatne visszavonva iptal retrasa
    members visitors pupils kids teachers alumnos alumnas alumni socios socias miembros mitglieder membres soci membros
    etudiants etudiantes eleve eleves profesores impugnado
    demande richiesta solicitud peticion petizione contested contestee conteste contestata contestato impugnada
    litigio litige contenzioso umstritten strittig congelada congelado pausa pausiert overruled valable valables vigente
    vigent gultig sconosciuta sconosciuto definir definire klaren geklart esame verificar verificare comprobar aclarar
    readonly dealing watermark watermarked hausgebrauch eigengebrauch eigenbedarf prive privee prives particulier
    particuliers autoconsumo casero household nfp charities hobbyists thumbnail thumbnails preview previews vorschau
    apercu anteprima wallpaper wallpapers screensaver resale reselling resell reventa revente weiterverkauf
    rivendita revenda revendre pay payable payant payante payants pagado pagar geheim recortes uncropped unedited
    editing edits editar retoques verbatim unverandert inalterado inalterada inalterat inalterato intacto intacta
    limits limites limite limitee limites limitierte limitierten begrenzt beschrankt beperkt grenzen required
    requisitos requirements obligatorio obligatoria obligatoire pflicht bedingt banned illegal ilegal illegale
    unlawful vetado vedado veto unverified unchecked valid valido valida valide validos until hasta within demand
    demanda demandas einmalig trademark registrada artificial kunstliche crawlers llm llms resolution unspecified
    protected protegido protegida geschutzt protege protegee protetto protetta disclaimer sublicense gemeinnutzig
    gemeinnutzige ehrenamtlich incorrect incorrecto incorrecta erroneo erronea unrated dudoso dudosa doubtful
    zweifelhaft stolen robada robado temporarily temporalmente temporaire temporaneo temporanea gebuhren researchers
    investigadores chercheurs forscher scientists academics scholars journalists periodistas journalistes newspapers
    volunteers voluntarios ngo ngos ong vereine universities enterprises companies companias firmen unternehmen
    entreprises imprese aziende startups robots bots placeholder mockup price precio prezzo preis tarifa deadline
    reutilizar reutilizacion
    anulata expirata отозвана отозван отозвано истекла истек истекло отменена отменен отменено
    """
)
NO_NAME_STEMS_AS_WRITTEN = _words(
    """
    commerc comerc kommerz kommerc komerc kommers komers komertz mercant mercial noncom nocom deriv bearbeit
    bearbet prohib proib interdi verbot forbid restric restrit einschrank limitad limited limitat reserv
    vorbehalt riserv lucrativ lucratif profit gewinn educ docen teach enseign unterricht didact didatt divulg
    privat scientif cientif wissenschaft permis permes autoriz autoris genehmig erlaub consent desconoc
    unbekannt inconnu licen lizenz copyright copyleft royalt rightsstat publicitari advert werbung redistrib
    reproduc sharealike attribut kaupalli ticari niekomerc afgeleid zaleznych muutoks modif adapt ensenan
    ensenya insegna estudiant exclusiv confidenc confident propriet propietar merchand gewerb alterac anderung
    wijzig remix transform umgestalt kereskedel ariline anfasnachol neamhthrach turetileme nezprac nesprac
    negotia negocia verhandl contract contrat vertrag agreement acuerdo encargo appointment consult revoc revok
    expir caduc abgelauf neprodej elado
    revoq suspend sospend sospens gekundig gekuendig kundigung kuendigung verweiger abgelehn rechaz
    monetiz monetis exklusiv exclusif esclusiv zustimmung einwillig kostenpflicht abgeleitet ableitung
    inchang unalter unmodif unchang retouch limitac limitaz condicion condizion condicio condicoes bedingung
    authoris authoriz zeitweise vorubergehend vencimient redaktionell redactionn editorial hausgebr
    privatgebr privatnutz lernzweck bildungszweck zwecke wiederverk
    rejeit rifiut recusad rebutj bloquead bloqueo bloquej bloccat blockier gesperr gespert pendient ausstehend
    terminad finaliz finalis extint estint extingu estingu cessat cessad inactiv inaktiv inattiv inativ deshabilit
    desabilit disabilit desactiv desativ deaktiv deactiv disattiv stornier finalitz embargo embarga vorlaufig provvisor
    confirmad confirmat confirmed confirmar confirmer confermat confermar bestatig
    arrang invitat invitac payment invoic subscri suscri abonnem abbonam withdr supersed terminat invalid obsolet
    anulad anullad vencid ungult zuruckgez widerruf rescind retract
    odvoden valtoztas prerad predelav eratorri tuletat atvasin isvestin turunan bearbej bearbeid
    некамерц комерц коммерч коммерц запре производн похідн только тільки без некоме лицен
    ліценз εμπορικ παραγωγ μονο χωρις αδεια 非 禁 不 商 営利 營利 業 业 改 演绎 演繹 仅 僅 专 專 비영리 금지
    상업 변경 تجار اشتقاق غير מסחרי נגזר комерс прерад ไม่ ללא
    """
)
# of the words above: names of people too, where a copyright sign and another name stand before or behind them
ENDED_OR_A_NAME = _words("termine echue")
# words that together say that a licence ended, or is not yet
NO_NAME_PAIRS = frozenset(
    (
        *("de baja", "on hold", "in review", "under review", "in progress", "in dispute", "under dispute"),
        *("en tramite", "en proceso", "en revision", "en curso", "en espera", "en suspenso", "en cours", "en suspens"),
        *("in corso", "in revisione", "in arbeit", "in prufung", "in klarung", "em curso", "em analise", "em revisao"),
        *(
            "en tramit",
            "en curs",
            "en revisio",
            "bajo revision",
            "sous revision",
            "in behandeling",
            "under behandling",
            "out of",
            "ausser kraft",
            "una vez",
            "one time",
            "as is",
            "nur teilen",
            "todos derechos",
            "low res",
            "orphan work",
        ),
    )
)
# no author is named first by these where nothing says that somebody is: "Under Review, CC BY 4.0"
NO_NAMES_BEGIN = _words("in en em im am on under unter auf sous bajo sob sotto sota onder")
